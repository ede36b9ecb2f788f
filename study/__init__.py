"""What a study is: entities, protocol, design and blinding, store, export, command line."""
