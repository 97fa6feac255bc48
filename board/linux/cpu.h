/* cpu.h - what this CPU can do, as far as kernels ask. */
#ifndef LC_CPU_H
#define LC_CPU_H

#include <stddef.h>
#include <stdint.h>

#include "../../kernels/kernels.h"

/* LC_CPU_* features that both the CPU and the kernel of the operating system support. */
uint32_t lc_cpu_features(void);
/* Their names with blanks between, "" for none; cut to max bytes with the NUL. */
void lc_cpu_names(uint32_t features, char *out, size_t max);
/* CPU time of this process since its start, all threads. */
uint64_t lc_cpu_time_us(void);

#endif
