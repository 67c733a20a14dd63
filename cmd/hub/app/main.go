package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/alecthomas/kong"
	"github.com/fieldhub/hub/adapters"
)

// Version is that of the program; the build sets it.
var Version = ""

// gcPercent makes the collector run more often than usual: a hub lives long on a
// small box, where memory is dearer than a part of a percent of the processor.
// GOGC in the environment goes before it.
const gcPercent = 30

// Exit codes.
const (
	exitOK      = 0
	exitFailed  = 1
	exitUsage   = 2
	exitNotGood = 3
)

const exitCodes = "Exit codes: 0, done; 1, it could not be done; 2, the command line makes no sense; 3, values were read, but some are missing or not good."

// program is what every command gets.
type program struct {
	ctx      context.Context
	out, err io.Writer
	factory  []adapters.Factory
	options  *options
	model    *kong.Node // of the command line
}

// options stand before or behind any command.
type options struct {
	JSON    bool   `help:"Print JSON, one object a line." name:"json"`
	Hub     string `help:"The owner's credential of the hub to speak to, a file named owner.json; else the running demo, else the daemon of this machine." placeholder:"FILE" env:"HUB_OWNER"`
	Data    string `help:"Data folder of the daemon of this machine, which then goes before a running demo; else /var/lib/hub." placeholder:"DIR" env:"HUB_DATA"`
	KeyFile string `help:"Key file of the daemon of this machine, for commands that take its data folder themselves; else the one in that folder." placeholder:"FILE" env:"HUB_KEY_FILE" type:"path"`
	remote
	Timeout time.Duration `help:"How long to wait for an answer of the hub." default:"30s" placeholder:"30s"`
}

// data is the data folder of the daemon.
func (o *options) data() string { return cmp.Or(o.Data, "/var/lib/hub") }

// grammar is the command line.
type grammar struct {
	options
	Demo     demoCmd     `cmd:"" help:"Run a simulated plant, a local XMPP server and a hub between them, with nothing to set up." group:"run"`
	Run      runCmd      `cmd:"" help:"Run the daemon." group:"run"`
	Init     initCmd     `cmd:"" help:"Ask what an installer can answer, try the account, and write a configuration." group:"run"`
	Check    checkCmd    `cmd:"" help:"Check a configuration." group:"run"`
	Ls       lsCmd       `cmd:"" help:"List nodes." group:"client"`
	Show     showCmd     `cmd:"" help:"Show a node with its parameters and messages." group:"client"`
	Read     readCmd     `cmd:"" help:"Read values." group:"client"`
	Watch    watchCmd    `cmd:"" help:"Print each change of values." group:"client"`
	Sniff    sniffCmd    `cmd:"" help:"Print the traffic of a device." group:"client"`
	Events   eventsCmd   `cmd:"" help:"Print what happens to nodes: added, updated, state changed, moved, removed." group:"client"`
	Set      setCmd      `cmd:"" help:"Set values of a device." group:"client"`
	Commands commandsCmd `cmd:"" help:"List what can be done with a node: commands and queries, with their parameters." group:"client"`
	Do       doCmd       `cmd:"" help:"Run a command of a node." group:"client"`
	Query    queryCmd    `cmd:"" help:"Run a query of a node and print what it finds." group:"client"`
	Types    typesCmd    `cmd:"" help:"List the types of nodes that can be added below a node, with their parameters." group:"client"`
	Add      addCmd      `cmd:"" help:"Add a node." group:"client"`
	Edit     editCmd     `cmd:"" help:"Change parameters of nodes, their name or id; without any: show them." group:"client"`
	Mv       mvCmd       `cmd:"" help:"Move nodes up or down among their siblings." group:"client"`
	Rm       rmCmd       `cmd:"" help:"Remove a node with everything below it." group:"client"`
	Export   exportCmd   `cmd:"" help:"Write the tree as YAML." group:"owner"`
	Import   importCmd   `cmd:"" help:"Add the nodes of a YAML file, all or none." group:"owner"`
	Backup   backupCmd   `cmd:"" help:"Make a backup." group:"owner"`
	Restore  restoreCmd  `cmd:"" help:"Restore a backup." group:"owner"`
	Key      keyCmd      `cmd:"" help:"Look after the key that secrets are stored with." group:"owner"`
	Access   accessCmd   `cmd:"" help:"Tell who may do what." group:"owner"`
	User     userCmd     `cmd:"" help:"Look after the accounts of the hub's own server." group:"owner"`
	Presence presenceCmd `cmd:"" help:"Decide who without access may see that the hub is online." group:"owner"`
	Audit    auditCmd    `cmd:"" help:"List who did what." group:"owner"`
	Status   statusCmd   `cmd:"" help:"Tell how the hub is." group:"owner"`
	Profile  profileCmd  `cmd:"" help:"Look after the profiles: hubs that --profile names." group:"client"`
	Version  versionCmd  `cmd:"" help:"Print the version." group:"run"`

	Completion completionCmd `cmd:"" help:"Print the script that makes a shell complete commands, names of nodes and parameters." group:"run"`
	Complete   completeCmd   `cmd:"" hidden:"" help:"Answer that script."`
}

// Main runs the program with these adapters and returns its exit code: 0 when it
// did what it was asked for, 1 when it could not, 2 when it was asked wrongly, 3 when
// some values that it read are not good.
func Main(factories ...adapters.Factory) int {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	ends := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) { // as nohup has it
		ends = append(ends, syscall.SIGHUP)
	}
	ctx, stop := signal.NotifyContext(context.Background(), ends...)
	defer stop()
	context.AfterFunc(ctx, stop) // a second one ends the program at once
	return run(ctx, os.Args[1:], os.Stdout, os.Stderr, factories)
}

func run(ctx context.Context, args []string, out, errs io.Writer, factories []adapters.Factory) int {
	var g grammar
	exit := -1
	parser, err := kong.New(&g,
		kong.Name("hub"),
		kong.Description("Presents Modbus, MQTT and GPIO devices as one XMPP address.\n\n"+exitCodes),
		kong.Writers(out, errs),
		kong.Exit(func(code int) { exit = code }),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
		kong.ExplicitGroups([]kong.Group{
			{Key: "run", Title: "Programs"},
			{Key: "client", Title: "A client of the running demo, of the daemon here, or of the hub named by --hub"},
			{Key: "owner", Title: "Looking after a hub"},
		}))
	if err != nil {
		fmt.Fprintln(errs, "hub:", err)
		return exitFailed
	}
	if len(args) == 0 || len(args) == 1 && args[0] == "help" {
		args = []string{"--help"}
	}
	k, err := parser.Parse(negatives(args))
	if exit >= 0 { // help was printed
		return exit
	}
	if err != nil {
		about := "hub"
		var wrong *kong.ParseError
		if errors.As(err, &wrong) && wrong.Context != nil && wrong.Context.Selected() != nil {
			about = wrong.Context.Selected().FullPath()
		}
		fmt.Fprintf(errs, "hub: %v\nRun \"%s --help\" for what there is.\n", err, about)
		return exitUsage
	}
	p := &program{ctx: ctx, out: out, err: errs, factory: factories, options: &g.options, model: parser.Model.Node}
	err = k.Run(p)
	var usage usageError
	var doubt notGood
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &usage):
		fmt.Fprintln(errs, "hub:", clean(err.Error()))
		return exitUsage
	case errors.As(err, &doubt):
		fmt.Fprintln(errs, "hub:", clean(err.Error()))
		return exitNotGood
	}
	fmt.Fprintln(errs, "hub:", clean(err.Error()))
	return exitFailed
}

// usageError is that the command line makes no sense.
type usageError struct{ error }

// notGood is that values were read, but some of them are not good.
type notGood struct{ error }

type versionCmd struct{}

func (versionCmd) Run(p *program) error {
	fmt.Fprintln(p.out, "hub", release())
	return nil
}

// release is the version: that of the build, or what the build information knows.
func release() string {
	if Version != "" {
		return Version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "unknown"
}
