/* verbs.h - every verb of the tool; each in verb_<name>.c. Returns the exit code. */
#ifndef LC_VERBS_H
#define LC_VERBS_H

int lc_verb_audit(int argc, char **argv);
int lc_verb_bench(int argc, char **argv);
int lc_verb_classify(int argc, char **argv);
int lc_verb_collect(int argc, char **argv);
int lc_verb_doctor(int argc, char **argv);
int lc_verb_generate(int argc, char **argv);
int lc_verb_init(int argc, char **argv);
int lc_verb_inspect(int argc, char **argv);
int lc_verb_job(int argc, char **argv);
int lc_verb_logits(int argc, char **argv);
int lc_verb_pack(int argc, char **argv);
int lc_verb_plan(int argc, char **argv);
int lc_verb_selftest(int argc, char **argv);
int lc_verb_status(int argc, char **argv);
int lc_verb_tokenize(int argc, char **argv);
int lc_verb_upstream(int argc, char **argv);

#endif
