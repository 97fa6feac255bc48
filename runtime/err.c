#include "err.h"

const char *lc_err_text(lc_err err)
{
    switch (err) {
    case LC_OK:
        return "ok";
#define LC_ERR_CASE(name, number, exit_code, text)                                                 \
    case LC_ERR_##name:                                                                            \
        return text;
        LC_ERR_LIST(LC_ERR_CASE)
#undef LC_ERR_CASE
    }
    return "unknown error";
}

int lc_err_exit(lc_err err)
{
    switch (err) {
    case LC_OK:
        return 0;
#define LC_ERR_CASE(name, number, exit_code, text)                                                 \
    case LC_ERR_##name:                                                                            \
        return exit_code;
        LC_ERR_LIST(LC_ERR_CASE)
#undef LC_ERR_CASE
    }
    return 1;
}

lc_err lc_fail(lc_diag *diag, lc_err err, uint64_t offset, const char *text)
{
    if (diag != NULL) {
        diag->err = err;
        diag->offset = offset;
        diag->text = text;
    }
    return err;
}
