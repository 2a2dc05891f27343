"""Where the documentation is: scikit-learn's HTML of an estimator links to its page."""

SITE = "https://fastmlp.readthedocs.io/en/stable"


class HasPage:
    """Names the page of a class, beside whose link scikit-learn describes parameters.

    A subclass in another package has no page, and no link.
    """

    _doc_link_module = "fastmlp"
    _doc_link_template = (
        f"{SITE}/reference/generated/{{estimator_module}}.{{estimator_name}}.html"
    )
