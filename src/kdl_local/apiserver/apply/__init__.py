"""Server-side apply: who owns which fields of an object, and what an apply makes of it.

The rules are those of sigs.k8s.io/structured-merge-diff and k8s.io/apimachinery/pkg/util/managedfields
(https://kubernetes.io/docs/reference/using-api/server-side-apply/). Sets of fields are kept in their ``FieldsV1`` form
(``fieldset``); ``fieldtypes`` says of which type a field is; ``comparison``, ``merging``, ``removal`` and ``leaves``
walk values by these types; ``ownership`` decides who owns what, over the entries of ``managedFields`` (``owners``).
``writes`` is what the rest of the server calls.
"""
