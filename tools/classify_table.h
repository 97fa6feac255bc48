/* classify_table.h - answers as rows of a table, for people. */
#ifndef LC_CLASSIFY_TABLE_H
#define LC_CLASSIFY_TABLE_H

#include "../runtime/job.h"

void lc_classify_head(void);
void lc_classify_row(const lc_job *job, const char *text, size_t bytes, const lc_answer *answer,
                     float ms);

#endif
