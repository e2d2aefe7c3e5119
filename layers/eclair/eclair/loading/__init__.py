"""How does refresh bring what a feed says into the store?"""
