"""Runs of the command line within the process."""

from fastmlp._cli.fit import main


def run(capsys, *arguments):
    """Exit code, output and error output of a run."""
    code = main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return code, captured.out, captured.err
