#include "job_in.h"

lc_err lc_in_fail(lc_job_in *in, lc_err err, const char *text)
{
    return lc_fail(in->diag, err, in->base + in->r.at, text);
}

lc_err lc_in_wrong(lc_job_in *in, const char *text)
{
    return lc_in_fail(in, LC_ERR_FORMAT, text);
}

lc_err lc_in_count(lc_job_in *in, uint32_t least, uint32_t most, uint32_t *count)
{
    *count = lc_read_u16(&in->r);
    if (in->r.failed || *count < least) {
        return lc_in_wrong(in, "count missing or too small");
    }
    return *count > most ? lc_in_fail(in, LC_ERR_LIMIT, "count over limit") : LC_OK;
}

lc_err lc_in_flag(lc_job_in *in, bool *flag)
{
    uint8_t v = lc_read_u8(&in->r);
    *flag = v == 1;
    return in->r.failed || v > 1 ? lc_in_wrong(in, "flag is neither 0 nor 1") : LC_OK;
}

lc_err lc_in_float(lc_job_in *in, float least, float most, float *value)
{
    *value = lc_read_f32(&in->r);
    return !in->r.failed && *value >= least && *value <= most
               ? LC_OK
               : lc_in_wrong(in, "number out of range");
}

lc_err lc_in_name(lc_job_in *in, bool ascii, lc_str *name)
{
    *name = lc_read_str(&in->r);
    return !in->r.failed && lc_name_valid(*name, ascii) ? LC_OK : lc_in_wrong(in, "wrong name");
}

lc_err lc_in_text(lc_job_in *in, uint32_t most, lc_str *text)
{
    *text = lc_read_str(&in->r);
    if (in->r.failed || text->bytes > most) {
        return lc_in_wrong(in, "text missing or too long");
    }
    for (uint32_t i = 0; i < text->bytes;) {
        uint32_t c, n = lc_utf8_decode(text->data + i, text->bytes - i, &c);
        if (n == 0 || c == 0) {
            return lc_in_wrong(in, "text is not UTF-8");
        }
        i += n;
    }
    return LC_OK;
}
