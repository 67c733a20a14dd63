// Foreign is a hub of somebody else's: the built-in Modbus adapter and one more,
// for a made-up device. Its module needs nothing but a requirement of
// github.com/fieldhub/hub; everything else (flags, storage, XMPP) is app.Main.
package main

import (
	"context"
	"os"
	"sync/atomic"
	"time"

	"github.com/fieldhub/hub/adapters"
	"github.com/fieldhub/hub/adapters/modbus"
	"github.com/fieldhub/hub/cmd/hub/app"
	"github.com/fieldhub/hub/nodes"
)

func main() { os.Exit(app.Main(modbus.Factory(), clockAdapter())) }

// clockAdapter has one type of node: a clock that tells its uptime.
func clockAdapter() adapters.Factory {
	return adapters.Factory{
		Name: "clock",
		Types: []nodes.Type{{
			Name: "clock.clock", Title: "Clock", Parents: []string{nodes.TypeRoot, nodes.TypeFolder},
			Connects: true, Caps: nodes.CanRead,
			Params: []nodes.Param{{ID: "Every", Label: "Interval", Kind: nodes.KindDuration,
				Default: nodes.Duration(0, time.Second), Min: nodes.Duration(0, 10*time.Millisecond)}},
		}},
		Open: func(env adapters.Env) (nodes.Device, error) {
			c := &clock{env: env}
			c.Update(nodes.Change{Put: []*nodes.Node{env.Node}})
			return c, nil
		},
	}
}

// clock is a device: Run owns all that it does.
type clock struct {
	env   adapters.Env
	every atomic.Int64 // nanoseconds
}

func (c *clock) Run(ctx context.Context) error {
	began := time.Now()
	for {
		now, every := time.Now(), time.Duration(c.every.Load())
		c.env.Host.Report([]nodes.Reading{{Node: c.env.Node.ID, MaxAge: 3 * every / 2, Fields: []nodes.Field{
			{Name: "Uptime", Value: nodes.Quantity(now.Sub(began).Seconds(), 1, "s"), Time: now, Category: nodes.Momentary}}}})
		select {
		case <-time.After(every):
		case <-ctx.Done():
			return nil
		}
	}
}

// Update takes over an interval that was edited.
func (c *clock) Update(change nodes.Change) {
	for _, n := range change.Put {
		if n.ID == c.env.Node.ID {
			c.every.Store(int64(n.Params.Span("Every")))
		}
	}
}
