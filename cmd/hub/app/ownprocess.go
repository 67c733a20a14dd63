package app

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/fieldhub/hub/nodes"
)

const setLogLevel = "SetLogLevel"

// logLevels are the names of the levels, as in the configuration.
var logLevels = []struct {
	name  string
	level slog.Level
}{{"debug", slog.LevelDebug}, {"info", slog.LevelInfo}, {"warn", slog.LevelWarn}, {"error", slog.LevelError}}

// processPart is the process of the hub.
func (h *hub) processPart() *ownPart {
	usage := &usage{}
	p := newOwnPart("process", "Process", func(now time.Time) ([]nodes.Field, []nodes.Message) {
		f := fields{now: now}
		f.add(nodes.Identity, "Version", nodes.String(release()))
		f.add(nodes.Identity, "System", nodes.String(runtime.GOOS+" "+runtime.GOARCH))
		if name, err := os.Hostname(); err == nil {
			f.add(nodes.Identity, "Host", nodes.String(name))
		}
		f.add(nodes.Identity, "Process", nodes.Int32(int32(os.Getpid())))
		f.add(nodes.Status, "Started", nodes.DateTime(h.began))
		f.add(nodes.Status, "Uptime", nodes.Duration(0, now.Sub(h.began).Round(time.Second)))
		if kb, ok := residentMemory(); ok {
			f.add(nodes.Status, "Memory", nodes.Quantity(float64(kb)/1024, 1, "MiB"))
		}
		if share, ok := usage.share(now); ok {
			f.add(nodes.Status, "Processor", nodes.Quantity(share, 1, "%"))
		}
		f.add(nodes.Status, "Goroutines", nodes.Int32(int32(runtime.NumGoroutine())))
		if l := levelOf(h.log); l != nil {
			f.add(nodes.Status, "Log level", nodes.String(strings.ToLower(l.Level().String())))
		}
		return f.list, nil
	})
	level := nodes.Param{ID: "Level", Label: "Level", Kind: nodes.KindEnum, Required: true, Description: "The least serious lines that are written."}
	for _, l := range logLevels {
		level.Options = append(level.Options, nodes.Option{Value: l.name})
	}
	p.commands = []nodes.Command{{ID: setLogLevel, Kind: nodes.Parametrized, Title: "Set the log level", Category: "Hub", SortKey: "2", Rights: nodes.Administer,
		Description: "Holds until the hub ends; the configuration says with which level it starts.",
		Success:     "The log level was set.", Failure: "The log level was not set.", Params: []nodes.Param{level}}}
	p.run = func(_ context.Context, _ string, p nodes.Params) error {
		have := levelOf(h.log)
		if have == nil {
			return errors.New("the log of this hub has a fixed level")
		}
		for _, l := range logLevels {
			if l.name == p.Text("Level") {
				have.Set(l.level)
				h.log.Info("log level set", "level", l.name)
			}
		}
		return nil
	}
	return p
}

// usage measures the part of a processor that the process takes. Safe for
// concurrent use.
type usage struct {
	mu    sync.Mutex
	at    time.Time
	used  time.Duration
	known bool
	last  float64 // percent
}

// share returns the part of a processor in percent since the last time that it was
// asked for, but over a second at least; ok is false before.
func (u *usage) share(now time.Time) (percent float64, ok bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if span := now.Sub(u.at); u.at.IsZero() || span >= time.Second {
		cpu := processorTime()
		if u.known = !u.at.IsZero(); u.known {
			u.last = 100 * float64(cpu-u.used) / float64(span)
		}
		u.at, u.used = now, cpu
	}
	return u.last, u.known
}

// leveled is a log handler whose level can be changed while it is used.
type leveled struct {
	slog.Handler
	level *slog.LevelVar
}

// withLevel gives a logger that writes everything a level that can be changed.
func withLevel(log *slog.Logger, level slog.Level) *slog.Logger {
	h := leveled{log.Handler(), new(slog.LevelVar)}
	h.level.Set(level)
	return slog.New(h)
}

// levelOf returns the level of a logger; nil: it is fixed.
func levelOf(log *slog.Logger) *slog.LevelVar {
	if h, ok := log.Handler().(leveled); ok {
		return h.level
	}
	return nil
}

// Enabled implements slog.Handler.
func (h leveled) Enabled(_ context.Context, l slog.Level) bool { return l >= h.level.Level() }

// WithAttrs implements slog.Handler.
func (h leveled) WithAttrs(list []slog.Attr) slog.Handler {
	return leveled{h.Handler.WithAttrs(list), h.level}
}

// WithGroup implements slog.Handler.
func (h leveled) WithGroup(name string) slog.Handler {
	return leveled{h.Handler.WithGroup(name), h.level}
}
