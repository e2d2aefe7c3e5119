"""How are packed and compressed bytes read, as streams or at offsets, within bounds?"""
