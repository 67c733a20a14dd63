package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/fieldhub/hub/cmd/hub/app/config"
)

type runCmd struct {
	Config string `help:"Configuration file." short:"c" default:"/etc/hub/hub.yaml" placeholder:"FILE"`
}

// Run is the daemon: it ends with status 0 when it is told to stop.
func (c *runCmd) Run(p *program) error {
	cfg, err := load(c.Config)
	if err != nil {
		return err
	}
	signal.Ignore(syscall.SIGPIPE) // the hub works on when nobody reads its log any more
	all := cfg.Log
	all.Level = slog.LevelDebug
	log := withLevel(all.Logger(), cfg.Log.Level)
	log.Info("starting", "version", release(), "config", c.Config)
	path := filepath.Join(cfg.Data, ownerFile)
	err = runHub(p.ctx, cfg, log, p.factory, func(h *hub) (func(), error) {
		if err := h.waitLocal(p.ctx); err != nil {
			if p.ctx.Err() != nil {
				err = nil
			}
			return nil, err
		}
		if err := h.owner.write(path); err != nil {
			return nil, err
		}
		log.Info("ready", "local", h.owner.Address, "fingerprint", h.owner.Fingerprint)
		notify("READY=1\nSTATUS=local access on " + h.owner.Address)
		leave := func() {
			notify("STOPPING=1")
			os.Remove(path)
		}
		return leave, watchdog(p.ctx, func() { h.tree.LastChanged() })
	})
	if err == nil {
		log.Info("stopped")
	}
	return err
}

// notify tells systemd, if it started us (sd_notify(3)).
func notify(state string) {
	name := os.Getenv("NOTIFY_SOCKET")
	if name == "" {
		return
	}
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		return
	}
	defer conn.Close()
	conn.Write([]byte(state)) // a lost word is no reason to stop
}

// watchdog tells systemd at half its interval that we live (sd_watchdog_enabled(3)),
// until ctx ends. It returns at once; the timer ends with ctx. alive hangs when the
// hub does: then nothing is told, and systemd starts it anew.
func watchdog(ctx context.Context, alive func()) error {
	text := os.Getenv("WATCHDOG_USEC")
	if text == "" {
		return nil
	}
	usec, err := strconv.ParseInt(text, 10, 64)
	if err != nil || usec <= 0 {
		return fmt.Errorf("WATCHDOG_USEC=%q is no number of microseconds", text)
	}
	if pid := os.Getenv("WATCHDOG_PID"); pid != "" && pid != strconv.Itoa(os.Getpid()) {
		return nil
	}
	interval := time.Duration(usec) * time.Microsecond / 2
	var beat func()
	beat = func() {
		if ctx.Err() == nil {
			alive()
			notify("WATCHDOG=1")
			time.AfterFunc(interval, beat)
		}
	}
	beat()
	return nil
}

type checkCmd struct {
	File   string `arg:"" optional:"" help:"Configuration file."`
	Online bool   `help:"Also log in at the broker, and say why when that fails."`
	Config string `help:"Configuration file." short:"c" default:"/etc/hub/hub.yaml" placeholder:"FILE"`
}

func (c *checkCmd) Run(p *program) error {
	file := c.Config
	if c.File != "" {
		file = c.File
	}
	cfg, err := load(file)
	if err != nil {
		return err
	}
	fmt.Fprintf(p.out, "%s is good: %s\n", file, cfg)
	if !c.Online {
		return nil
	}
	if cfg.XMPP == nil {
		return errors.New("there is no account on a broker to try: write it below xmpp")
	}
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	jid, err := online(ctx, cfg.XMPP, nil)
	if err != nil {
		return err
	}
	fmt.Fprintf(p.out, "logged in as %s\n", jid)
	return nil
}

// load reads a configuration.
func load(file string) (*config.Config, error) {
	cfg, err := config.Load(file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("there is no %s; write one, examples/hub.yaml shows how", file)
	case errors.Is(err, fs.ErrPermission):
		return nil, fmt.Errorf("%w: run this command as the hub's user or as root", err)
	}
	return cfg, err
}
