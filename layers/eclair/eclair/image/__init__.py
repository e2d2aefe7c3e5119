"""How is an image read: its name, its manifest, and its layers, which files of them and by whom?"""
