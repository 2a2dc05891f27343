/* The lists from which enums, name tables, switches, Python dicts and test grids grow. */
#ifndef FASTMLP_REGISTRY_H
#define FASTMLP_REGISTRY_H

/* X(name): hidden activations; activations.inl.h holds name and d_name.  The derivatives
 * of the first ones are functions of the output, those of the others of the input. */
#define FM_ACTIVATIONS_BY_OUTPUT(X)                                                    \
    X(identity)                                                                        \
    X(logistic)                                                                        \
    X(tanh)                                                                            \
    X(relu)                                                                            \
    X(softplus)                                                                        \
    X(leaky_relu)                                                                      \
    X(elu)                                                                             \
    X(selu)                                                                            \
    X(softsign)                                                                        \
    X(hard_sigmoid)
#define FM_ACTIVATIONS_BY_INPUT(X)                                                     \
    X(gelu)                                                                            \
    X(silu)                                                                            \
    X(mish)
#define FM_ACTIVATIONS(X) FM_ACTIVATIONS_BY_OUTPUT(X) FM_ACTIVATIONS_BY_INPUT(X)

/* X(name): those of them that may have learnt slopes; parametric.inl.h. */
#define FM_PARAMETRIC(X)                                                               \
    X(selu)                                                                            \
    X(mish)

/* X(name): output activations; outputs.inl.h.  No loss is written for the last two, which
 * a fitted model may be given for prediction. */
#define FM_OUTPUTS(X)                                                                  \
    X(identity)                                                                        \
    X(exp)                                                                             \
    X(logistic)                                                                        \
    X(softmax)                                                                         \
    X(softplus)                                                                        \
    X(tanh)                                                                            \
    X(relu)

/* X(name, canonical output activation): losses of one output each; losses.inl.h holds
 * name_value and name_delta, from what goes into that activation. */
#define FM_ELEMENT_LOSSES(X)                                                           \
    X(squared_error, identity)                                                         \
    X(poisson, exp)                                                                    \
    X(binary_log_loss, logistic)                                                       \
    X(absolute_error, identity)                                                        \
    X(huber, identity)                                                                 \
    X(log_cosh, identity)                                                              \
    X(gamma, exp)                                                                      \
    X(tweedie, exp)                                                                    \
    X(binary_focal, logistic)

/* Losses of a whole row of outputs follow the element-wise ones; row_losses.inl.h. */
#define FM_LOSSES(X)                                                                   \
    FM_ELEMENT_LOSSES(X)                                                               \
    X(log_loss, softmax)                                                               \
    X(focal, softmax)                                                                  \
    X(quantile, identity)                                                              \
    X(gaussian_nll, identity)

/* X(name, vectors of state): rules of the step that follows a batch; optimizers.inl.h
 * holds name_update. */
#define FM_RULES(X)                                                                    \
    X(sgd, 1)                                                                          \
    X(adam, 2)                                                                         \
    X(nadam, 2)                                                                        \
    X(rmsprop, 1)                                                                      \
    X(adagrad, 1)                                                                      \
    X(lion, 1)

/* X(name, function): functions of one argument whose error in ulp is tested. */
#define FM_MATH(X)                                                                     \
    X(exp, exp)                                                                        \
    X(expm1, expm1)                                                                    \
    X(log1p, log1p)                                                                    \
    X(tanh, tanh_)                                                                     \
    X(logistic, sigmoid)                                                               \
    X(softplus, softplus_)                                                             \
    X(gelu, gelu_)                                                                     \
    X(silu, silu_)                                                                     \
    X(mish, mish_)

#endif
