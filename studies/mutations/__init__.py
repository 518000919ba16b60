"""Which changes of single lines of the science and of the analyses do the fast tests catch?"""
