"""The codec: images to few bytes and back, under the densities that the strategy `codec` learns.

`coding` turns symbols into words by exact arithmetic (`fixed`), `images` turns images of any size into tiles,
`blocks` puts both together, `container` is the file format, `files` what the commands do.
"""

from aegan.codec.files import Compressed, Decompressed, Folder, compress, decompress, fingerprint, head_of, step_of

__all__ = ["Compressed", "Decompressed", "Folder", "compress", "decompress", "fingerprint", "head_of", "step_of"]
