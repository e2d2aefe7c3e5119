"""What do the ecosystems share: the formats of databases and artefacts, and what all packages of a kind have?"""
