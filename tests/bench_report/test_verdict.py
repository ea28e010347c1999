"""Where ncodec loses and wins is worked out from the figures."""

from __future__ import annotations

from dataclasses import replace

from bench_report.made import CIRCUMSTANCES, NAMES, made_rows
from ncodec.bench.report.findings import Finding, Item
from ncodec.bench.report.verdict import verdict
from ncodec.bench.summary import Summary, summarise


def summary_of(*methods: str) -> Summary:
    return summarise(made_rows(CIRCUMSTANCES, methods))


def titles(findings: tuple[Finding, ...]) -> str:
    return "\n".join(finding.title for finding in findings)


def test_a_better_codec_is_a_loss_in_bits_and_a_slower_one_a_win_in_time():
    found = verdict(summary_of("ncodec-denoised", "dncnn-then-avif444"))
    assert "Others need fewer bits" in titles(found.losses)
    assert "Encoding and decoding: ncodec 157 ms, others slower" in titles(found.wins)
    assert found.losses[0].items[0].what == "DnCNN, then AVIF 4:4:4"
    assert found.losses[0].items[0].figure.startswith("-")


def test_decoding_that_is_slower_than_others_is_told():
    found = verdict(summary_of("ncodec-denoised", "dncnn-then-jpeg"))
    (decoding,) = (finding for finding in found.losses if finding.title.startswith("Decoding"))
    assert decoding.items == (Item("DnCNN, then JPEG", "4 ms (18 x)"),)


def test_a_denoiser_counts_where_it_runs():
    wins = titles(verdict(summary_of("ncodec-denoised", "hyperprior-then-dncnn")).wins)
    assert "Decoding, with denoising after it: ncodec 71 ms, others slower" in wins


def test_the_upper_line_is_told():
    found = verdict(summary_of("ncodec-denoised", "dncnn"))
    assert found.losses[0].items[-1] == Item("DnCNN, without compression", "31.80 dB")


def test_beating_ncodecs_own_other_decodes_is_no_win():
    found = verdict(summary_of("ncodec-denoised", "ncodec-partial", "ncodec-plain"))
    assert found.wins == ()


def test_but_being_beaten_by_them_is_a_loss():
    rows = made_rows(CIRCUMSTANCES, ["ncodec-denoised"])
    better = [
        replace(row, method="ncodec-partial", psnr_denoised_clean_db=(row.psnr_denoised_clean_db or 0) + 1)
        for row in made_rows(CIRCUMSTANCES, ["ncodec-denoised"])
    ]
    losses = verdict(summarise([*rows, *better])).losses
    assert losses[0].items[0].what == "ncodec, half denoised"


def test_without_ncodec_there_is_no_verdict():
    found = verdict(summary_of("dncnn-then-jpeg", "dncnn"))
    assert found.losses == found.wins == ()


def test_a_comparison_of_few_points_says_so():
    rows = made_rows(CIRCUMSTANCES, ["ncodec-denoised", "dncnn-then-jpeg"])
    some = [row for row in rows if row.method == "ncodec-denoised" or row.setting in ("1", "5")]
    won = verdict(summarise(some)).wins[0].items[0].what
    assert won == "DnCNN, then JPEG, 2 points"


def test_comparisons_of_few_points_stand_last():
    """However many bits they seem to save."""
    rows = made_rows(CIRCUMSTANCES, ["ncodec-denoised", "dncnn-then-jpeg", "dncnn-then-jpeg2000"])
    some = [row for row in rows if row.method != "dncnn-then-jpeg" or row.setting in ("1", "5")]
    won = verdict(summarise(some)).wins[0].items
    assert [item.what for item in won] == ["DnCNN, then JPEG 2000", "DnCNN, then JPEG, 2 points"]
    assert float(won[1].figure.split()[0]) < float(won[0].figure.split()[0])


def test_pictures_that_are_lost_are_told_where_the_mean_wins():
    rows = [
        replace(row, psnr_denoised_clean_db=(row.psnr_denoised_clean_db or 0) + 3)
        if (row.method, row.picture) == ("dncnn-then-jpeg", NAMES[0])
        else row
        for row in made_rows(CIRCUMSTANCES, ["ncodec-denoised", "dncnn-then-jpeg"])
    ]
    losses = {finding.title: finding for finding in verdict(summarise(rows)).losses}
    assert "The best of the others is ahead at equal bits" not in losses
    found = losses["Pictures on which the best of the others is ahead"].items
    wheres = ("0.5 bpp", "0.75 bpp", "whatever rate")
    assert [item.what for item in found] == [f"{where}: on 1 of 4, the most by DnCNN, then JPEG" for where in wheres]
    assert all(item.figure.startswith("+") for item in found)


def test_better_pictures_are_those_of_other_codecs_and_ncodecs_end_is_told():
    """A decode of ncodec's own files, denoised, is none of theirs."""
    codecs = ("dncnn-then-avif420", "dncnn-then-avif444", "dncnn-then-jxl")
    losses = verdict(summary_of("ncodec-denoised", "ncodec-then-dncnn", "dncnn", *codecs)).losses
    (reach,) = (finding for finding in losses if finding.title.startswith("Others reach a better picture"))
    assert reach.title.endswith("(ncodec has no setting above 1.02 bpp)")
    assert [item.what for item in reach.first] == [
        "ncodec, denoised, at 1.02 bpp", "DnCNN, without compression", "DnCNN, then AVIF 4:4:4, at 1.30 bpp",
        "DnCNN, then JPEG XL, at 1.50 bpp", "DnCNN, then AVIF 4:2:0, at 1.30 bpp",
    ]  # fmt: skip


def test_the_time_of_a_longer_search_is_a_loss():
    losses = verdict(summary_of("ncodec-denoised", "ncodec-refined", "ncodec-then-dncnn")).losses
    (search,) = (finding for finding in losses if "--effort 1" in finding.title)
    assert search.title == "Encoding and decoding: ncodec --effort 1, denoised 28.1 s, others faster"
    own, cascade = search.items
    assert own == Item("ncodec, denoised", "157 ms (179 x)")
    assert cascade == Item("ncodec plain, then DnCNN", "2.2 s (13 x)")


def test_few_items_are_shown_at_once():
    many = Finding("", tuple(Item(str(i), "") for i in range(9)))
    assert len(many.first) == 4
    assert len(many.first) + len(many.rest) == 9
    assert Finding("", many.items[:5]).rest == ()
