"""Sources of models: for each entry of ``metamers.config.sources.SOURCES``, a module of its name with its functions.

``build(source, arguments, published)`` returns the untrained network of a registry entry's ``source``. Sources with
published weights also have ``load(source, arguments, published, weights)``, which returns the network with the
tensors of their file, and ``describe(source, mirror)``, which asks the publisher for what
``metamers.models.describe.describe`` returns; ``published`` is its answer about the weights, or None.
``usual_input(source)`` states the input of an architecture with any weights, and ``modality_of(source)`` the modality
if the entry has none. ``metamers.models.build.source_module`` imports the module that an entry names.
"""
