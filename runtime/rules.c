/* rules.c - the stages `rules` (first true rule answers) and `verify` (first true rule objects). */
#include "stages.h"

const lc_rule *lc_rules_first(const lc_stage *stage, const lc_expr_env *env)
{
    for (uint32_t i = 0; i < stage->rule_count; i++) {
        if (lc_expr_eval(stage->rule[i].when, env, NULL)) {
            return &stage->rule[i];
        }
    }
    return NULL;
}

bool lc_rules_support(const lc_stage *stage, const lc_expr_env *env, int32_t label,
                      lc_answer *answer)
{
    for (uint32_t i = 0; i < stage->rule_count; i++) {
        const lc_rule *rule = &stage->rule[i];
        if (rule->label == label && lc_expr_eval(rule->when, env, NULL)) {
            lc_answer_why(answer, rule->id);
            return true;
        }
    }
    return false;
}
