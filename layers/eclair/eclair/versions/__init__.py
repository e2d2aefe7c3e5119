"""What do the orders of versions share: keys that sort as versions do?"""
