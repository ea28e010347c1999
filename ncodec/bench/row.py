"""What is measured: one row for a picture, method and setting, beside the circumstances it was measured in."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field

ID_DIGITS = 8


@dataclass(frozen=True)
class Circumstances:
    """What rows were measured with. Under which others they hold, `ncodec.bench.identity` says.

    Attributes:
        ncodec, commit: version, and the last commit that changed what is measured (`-dirty` if the checkout differs;
            None outside a checkout).
        model: of ncodec, `base-xxxxxxxx`.
        weights: what else was loaded: name -> `file sha8`.
        torch, pillow: versions.
        packages: versions of what else has a say in the figures; codec libraries inside Pillow too.
        code: hashes of our own code: see `ncodec.bench.sources`.
        cpu: name and widest instruction set in use.
        threads: of every method.
        device, dtype: of the networks.
        seed: the noise of picture k is made with seed + k.
        noise: as on the command line; `real` where the pictures were noisy already.
        repeats: timed runs; 0 where no times were measured.
        started: UTC; not part of the identity.
    """

    ncodec: str
    commit: str | None
    model: str
    weights: dict[str, str]
    torch: str
    pillow: str
    packages: dict[str, str]
    code: dict[str, str]
    cpu: str
    threads: int
    device: str
    dtype: str
    seed: int
    noise: str
    repeats: int
    started: str = field(compare=False)

    @property
    def id(self) -> str:
        """8 hex digits of a hash of everything but when it was."""
        facts = {name: value for name, value in asdict(self).items() if name != "started"}
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:ID_DIGITS]


@dataclass(frozen=True, kw_only=True)
class Figures:
    """Of one picture, or means over pictures. What a method does not have is None, and what was not measured.

    Attributes:
        size_bytes: of a real file, headers included; None without compression.
        rate_bpp: its bits per pixel.
        psnr_plain_noisy_db, psnr_plain_clean_db: of an output that keeps the noise, against the input and against the
            clean picture; None where the pictures are equal.
        psnr_denoised_clean_db: of a denoised output.
        ssim, ms_ssim, lpips: of the output, against the clean picture.
        denoise_s: of a denoiser before the encoder or after the decoder, wall time, median of the repeats.
        encode_s, decode_s: from pixels to bytes, and back.
        memory_peak_mib: most that the method took at a time, beyond what was there before; weights not counted.
        kmac_per_pixel: multiply-accumulates of all networks, encoder, decoder and denoiser together, in thousands.
    """

    size_bytes: float | None = None
    rate_bpp: float | None = None
    psnr_plain_noisy_db: float | None = None
    psnr_plain_clean_db: float | None = None
    psnr_denoised_clean_db: float | None = None
    ssim: float | None = None
    ms_ssim: float | None = None
    lpips: float | None = None
    denoise_s: float | None = None
    encode_s: float | None = None
    decode_s: float | None = None
    memory_peak_mib: float | None = None
    kmac_per_pixel: float | None = None

    @property
    def psnr_clean_db(self) -> float | None:
        """Of what the method puts out, against the clean picture: denoised if it denoises, else plain."""
        return self.psnr_plain_clean_db if self.psnr_denoised_clean_db is None else self.psnr_denoised_clean_db

    @property
    def total_s(self) -> float | None:
        """Noisy picture to final picture: denoising, encoding and decoding, those of them that there are."""
        parts = [part for part in (self.denoise_s, self.encode_s, self.decode_s) if part is not None]
        return sum(parts) if parts else None


@dataclass(frozen=True)
class Row(Figures):
    """One picture, method and setting, and the figures of it.

    Attributes:
        circumstances: id of them.
        picture: path inside the folder, with slashes.
        pixels: 8 hex digits, CRC-32 of the clean and the noisy pixels: a name alone is no identity.
        width, height: pixels.
        method, setting: `ncodec-denoised`, `3`; the codec's quality or parameter, or `default`.
        repeats: timed runs, of which the times are the medians; 1 where a run takes long, 0 where none is timed.
    """

    circumstances: str
    picture: str
    pixels: str
    width: int
    height: int
    method: str
    setting: str
    repeats: int = 1

    @property
    def thing(self) -> tuple[str, str, str, str]:
        """What is measured once under the same circumstances."""
        return self.picture, self.pixels, self.method, self.setting
