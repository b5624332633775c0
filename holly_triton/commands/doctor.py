"""The command that examines an installation."""

import sys

import click


@click.command()
@click.option(
    "--interpret", is_flag=True, help="Also try Triton's kernels without a GPU, interpreted; some seconds more."
)
@click.option("--json", is_flag=True, help="Print the results as JSON.")
def doctor(interpret: bool, json: bool) -> None:
    """Report what is installed, which of it works here, and what to do about the rest.

    Each backend of the kernels draws a small cloud, which is compared with a dense reference; pictures are drawn without a
    window. The exit code is 0 where all that is essential works, else 1.

    Example: holly-triton doctor
    """
    from dataclasses import asdict

    from holly_triton.core.files import as_json
    from holly_triton.doctor.checks import healthy, in_words
    from holly_triton.doctor.examine import examine

    versions, checks = examine(interpret=interpret)
    well = healthy(checks)
    if json:
        click.echo(as_json({"healthy": well, "versions": versions, "checks": [asdict(check) for check in checks]}))
    else:
        click.echo(f"holly-triton {versions['holly-triton']}, {versions['system']}, {versions['cores']} cores\n")
        click.echo(in_words(checks))
        click.echo(
            "\nAll that is essential works" if well
            else "\nSomething essential does not work; see the lines with 'fails', then run holly-triton doctor again"
        )  # fmt: skip
    sys.exit(not well)
