/* job.c - the bundle and its packs, read in full. */
#include <string.h>
#include <unistd.h>

#include "../../board/linux/cpu.h"
#include "../../board/linux/job_file.h"
#include "../../board/linux/leaf_verify.h"
#include "../../board/linux/memory.h"
#include "doctor.h"

typedef struct opening {
    lc_job_file file;
    lc_job *job;
    lc_memory memory;
} opening;

static lc_err opening_layout(void *ctx, lc_arenas *arenas, lc_diag *diag)
{
    opening *o = ctx;
    const lc_job_options options = {.kernels = lc_level_best(lc_cpu_features()),
                                    .tasks = {.count = 1}};
    return lc_job_open(&o->file.bundle, lc_objects_find, &o->file.objects, &options, &arenas->state,
                       &arenas->scratch, &o->job, diag);
}

/* True when every hash in the object is that of its bytes. */
static bool object_verify(lc_doctor *d, const char *what, const lc_leaf *leaf)
{
    lc_diag diag = {0};
    if (lc_leaf_verify(leaf, &diag) == LC_OK) {
        return true;
    }
    lc_doctor_fail(d, LC_EXIT_REJECTED, "job", "%s is damaged at byte %llu: %s", what,
                   (unsigned long long)diag.offset, diag.text);
    lc_doctor_remedy(d, "copy it again; when that does not last, suspect the storage");
    return false;
}

static bool objects_verify(lc_doctor *d, const opening *o)
{
    lc_leaf bundle;
    lc_diag diag = {0};
    bool whole = lc_leaf_open(o->file.bundle.data, o->file.bundle.bytes, &bundle, &diag) == LC_OK &&
                 object_verify(d, "the bundle", &bundle);
    for (uint32_t i = 0; i < lc_job_packs(o->job); i++) {
        char name[32];
        snprintf(name, sizeof name, "pack %u", i + 1);
        whole = object_verify(d, name, &lc_job_pack(o->job, i)->leaf) && whole;
    }
    return whole;
}

static void memory_check(lc_doctor *d, const lc_memory *memory)
{
    long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    double have_mb = (double)pages * (double)page / 1048576.0;
    double need_mb = (double)memory->bytes / 1048576.0;
    if (need_mb > have_mb / 2) {
        lc_doctor_warn(d, "memory", "%.1f MB of %.0f MB for the arenas", need_mb, have_mb);
        lc_doctor_remedy(d, "leafcutter plan shows what takes them");
    } else {
        lc_doctor_ok(d, "memory", "%.1f MB of %.0f MB for the arenas", need_mb, have_mb);
    }
}

static void job_report(lc_doctor *d, const opening *o)
{
    const uint8_t *root = lc_job_root(o->job);
    lc_str name = lc_job_name(o->job);
    uint32_t packs = lc_job_packs(o->job);
    if (objects_verify(d, o)) {
        lc_doctor_ok(d, "job", "%.*s %u (%02x%02x%02x%02x), %u task%s, %u pack%s, hashes right",
                     (int)name.bytes, name.data, lc_job_ver(o->job), root[0], root[1], root[2],
                     root[3], lc_job_tasks(o->job), lc_job_tasks(o->job) == 1 ? "" : "s", packs,
                     packs == 1 ? "" : "s");
        memory_check(d, &o->memory);
    }
}

void lc_doctor_job(lc_doctor *d)
{
    static opening o;
    static lc_json_diag why;
    const char *path = d->config.job;
    const char *name = path[0] ? path : "the shipped job";
    lc_diag diag = {0};
    o = (opening){0};
    lc_err err = lc_job_file_open(&o.file, path, &why);
    if (err != LC_OK) {
        lc_doctor_fail(d, lc_err_exit(err), "job", "%s: %s", name, why.text);
        lc_doctor_remedy(d, path[0] ? "leafcutter job check FILE shows more"
                                    : "name a job in the config, or the folder of triage.leaf in "
                                      "LEAFCUTTER_SHARE");
    } else if (lc_memory_open(&o.memory, opening_layout, &o, &diag) != LC_OK) {
        lc_doctor_fail(d, lc_err_exit(diag.err), "job", "%s: %s at byte %llu: %s", name,
                       lc_err_text(diag.err), (unsigned long long)diag.offset, diag.text);
        lc_doctor_remedy(d, diag.err == LC_ERR_NOT_FOUND
                                ? "put the pack beside the bundle, or its folder into "
                                  "LEAFCUTTER_SHARE"
                                : "build it anew with this version");
    } else {
        job_report(d, &o);
        lc_memory_close(&o.memory);
    }
    lc_job_file_close(&o.file);
}
