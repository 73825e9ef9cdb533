//! `mailweave completions` and `mailweave man`: the command line described for shells and for `man`.

use clap::CommandFactory;
use clap_complete::Shell;

use super::{Arguments as CommandLine, Ending, Error};

/// Print completions for a shell
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  mailweave completions bash > /etc/bash_completion.d/mailweave")]
pub struct Arguments {
    shell: Shell,
}

pub(super) fn run(arguments: &Arguments) -> Result<Ending, Error> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut CommandLine::command(), "mailweave", &mut script);
    write(&script)
}

pub(super) fn man() -> Result<Ending, Error> {
    let mut command = CommandLine::command();
    command.build();
    let mut page = Vec::new();
    clap_mangen::Man::new(command.clone()).render(&mut page)?;
    describe_each(&command, &mut page)?;
    write(&page)
}

/// The commands of a command, and theirs.
fn describe_each(of: &clap::Command, page: &mut Vec<u8>) -> Result<(), Error> {
    for command in of.get_subcommands().filter(|command| command.get_name() != "help") {
        let man = clap_mangen::Man::new(command.clone());
        man.render_name_section(page)?;
        man.render_synopsis_section(page)?;
        man.render_description_section(page)?;
        man.render_options_section(page)?;
        man.render_extra_section(page)?;
        describe_each(command, page)?;
    }
    Ok(())
}

fn write(text: &[u8]) -> Result<Ending, Error> {
    use std::io::Write;
    std::io::stdout().write_all(text)?;
    Ok(Ending::Good)
}
