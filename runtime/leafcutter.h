/* leafcutter.h - the public interface of libleafcutter.a: text in, answer out.
 *
 *   plan     lc_job_open with measuring arenas: exact bytes before anything is allocated
 *   open     lc_job_open on two arenas that the caller owns
 *   run      lc_job_run: one line, one answer a task
 *   write    lc_record_write: the answer as JSON
 * No OS, heap, globals, threads or clocks inside; the board gives memory, threads (tasks.h),
 * kernels (kernels.h, by CPU features) and lc_panic (err.h).
 */
#ifndef LC_LEAFCUTTER_H
#define LC_LEAFCUTTER_H

#ifdef __cplusplus
extern "C" {
#endif

#include "record.h"

#ifdef __cplusplus
}
#endif

#endif
