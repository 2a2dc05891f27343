/* The name tables of the lists. */
#include "fastmlp.h"

#define NAME_OF(name) #name,
#define FIRST_OF(name, other) #name,
#define SECOND_OF(name, other) #other,

static const char *const activations[] = {FM_ACTIVATIONS(NAME_OF) NULL};
static const char *const by_input[] = {FM_ACTIVATIONS_BY_INPUT(NAME_OF) NULL};
static const char *const parametric[] = {FM_PARAMETRIC(NAME_OF) NULL};
static const char *const losses[] = {FM_LOSSES(FIRST_OF) NULL};
static const char *const canonical[] = {FM_LOSSES(SECOND_OF) NULL};
static const char *const outputs[] = {FM_OUTPUTS(NAME_OF) NULL};
static const char *const rules[] = {FM_RULES(FIRST_OF) NULL};
static const char *const vectors[] = {FM_RULES(SECOND_OF) NULL};
static const char *const functions[] = {FM_MATH(FIRST_OF) NULL};

const char *fm_activation_name(int i) { return activations[i]; }
const char *fm_activation_by_input(int i) { return by_input[i]; }
const char *fm_activation_parametric(int i) { return parametric[i]; }
const char *fm_loss_name(int i) { return losses[i]; }
const char *fm_loss_output(int i) { return canonical[i]; }
const char *fm_output_name(int i) { return outputs[i]; }
const char *fm_rule_name(int i) { return rules[i]; }
const char *fm_rule_vectors(int i) { return vectors[i]; }
const char *fm_math_name(int i) { return functions[i]; }
