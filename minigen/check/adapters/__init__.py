"""Adapters: how other people's code is handed to the checks, as a table ``{operation: (fn, vjp)}``.

A table's entries are pairs ``(fn, vjp)`` or triples ``(fn, vjp, double)`` of functions on NumPy arrays, as
`minigen.check.check` takes them.  `minigen.check.test_vectors.against` and ``minigen check --against module:table``
take whole tables.

====================================== ==============================================
table                                  holds
====================================== ==============================================
`minigen.check.adapters.minigen.table`    minigen itself
`minigen.check.adapters.pytorch.table` ``torch.nn.functional`` (where it is installed)
`minigen.check.adapters.student.table` a 60-line autograd, as written in a first course
====================================== ==============================================
"""
