package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/fieldhub/hub/adapters"
	"github.com/fieldhub/hub/adapters/gpio"
	"github.com/fieldhub/hub/adapters/gpio/gpiotest"
	"github.com/fieldhub/hub/adapters/modbus/modbustest"
	"github.com/fieldhub/hub/adapters/mqtt/mqtttest"
	"github.com/fieldhub/hub/cmd/hub/app/config"
	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/xmppface/events"
)

type demoCmd struct {
	Seed  uint64 `help:"Seed of the simulated plant: the same one gives the same values." default:"1"`
	Quiet bool   `help:"Print no changes." short:"q"`
}

// Run is the whole hub in one process: a simulated plant on TCP, the local XMPP
// server, the hub between them, and a client that prints what it sees. Everything
// is gone at the end.
func (c *demoCmd) Run(p *program) error {
	signal.Ignore(syscall.SIGPIPE) // so that all is put away when nobody reads any more
	shared, err := demoFolder()
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "hub-demo-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	plant := modbustest.NewPlant(c.Seed)
	if err := plant.Listen("127.0.0.1:0"); err != nil {
		return err
	}
	line, err := plant.Line.Open()
	if err != nil {
		fmt.Fprintf(p.err, "hub: the demo has no serial line: %v\n", err)
	}
	cabinet := gpiotest.NewCabinet()
	port, err := freePort(p.ctx)
	if err != nil {
		return err
	}
	s := newStages(p.ctx)
	s.start("plant", plant.Run)
	s.start("cabinet", cabinet.Run)
	s.start("house", mqtttest.NewHouse(port).Run)
	err = c.hub(p, dir, filepath.Join(shared, ownerFile), plant.Addr(), line, cabinet, port)
	return errors.Join(err, s.stop())
}

// freePort returns a port of 127.0.0.1 on which nobody listens.
func freePort(ctx context.Context) (int, error) {
	var c net.ListenConfig
	l, err := c.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// listens waits until somebody listens on a port of 127.0.0.1, for a short time.
func listens(ctx context.Context, port int) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	var d net.Dialer
	for ctx.Err() == nil {
		if c, err := d.DialContext(ctx, "tcp", fmt.Sprintf("127.0.0.1:%d", port)); err == nil {
			c.Close()
			return
		}
		select {
		case <-ctx.Done():
		case <-time.After(2 * time.Millisecond):
		}
	}
}

// withCabinet puts an adapter for simulated pins in place of the one for those of this
// machine, if that is among them.
func withCabinet(list []adapters.Factory, cabinet *gpiotest.Cabinet) (out []adapters.Factory, pins bool) {
	for _, f := range list {
		if on := gpio.FactoryOn(cabinet.Board); f.Name == on.Name {
			f, pins = on, true
		}
		out = append(out, f)
	}
	return out, pins
}

func (c *demoCmd) hub(p *program, dir, file, plant, line string, cabinet *gpiotest.Cabinet, broker int) error {
	cfg := &config.Config{Data: dir, Local: config.Local{Listen: "127.0.0.1:0"}, Limits: config.DefaultLimits}
	log := slog.New(slog.NewTextHandler(p.err, &slog.HandlerOptions{Level: slog.LevelWarn}))
	ctx, cancel := context.WithCancel(p.ctx)
	defer cancel()
	shown := make(chan error, 1)
	showing := false
	factories, pins := withCabinet(p.factory, cabinet)
	err := runHub(ctx, cfg, log, factories, func(h *hub) (func(), error) {
		tree, where := modbustest.PlantTree(plant), plant
		if line != "" {
			tree, where = append(tree, modbustest.LineTree(line)...), plant+" and on the serial line "+line
		}
		if err := h.tree.Import(ctx, tree); err != nil {
			return nil, err
		}
		var rest []*nodes.Node
		and := "the hub's"
		if slices.ContainsFunc(factories, func(f adapters.Factory) bool { return f.Name == "mqtt" }) {
			if err := h.tree.Import(ctx, mqtttest.HouseServer(broker)); err != nil {
				return nil, err
			}
			listens(ctx, broker) // the hub's own client would else begin with a pause
			rest = mqtttest.HouseTree(broker)
			and = fmt.Sprintf("the hub's MQTT broker on 127.0.0.1:%d, its", broker)
		}
		if pins {
			rest = append(rest, gpiotest.CabinetTree()...)
		}
		if err := h.tree.Import(ctx, rest); err != nil {
			return nil, err
		}
		if err := h.waitLocal(ctx); err != nil {
			if p.ctx.Err() != nil {
				err = nil
			}
			return nil, err
		}
		if err := h.owner.write(file); err != nil {
			return nil, err
		}
		fmt.Fprintf(p.out, "A simulated Modbus plant listens on %s,\n%s XMPP server on %s.\n\n", where, and, h.owner.Address)
		showing = true
		own := *p
		options := *p.options
		options.Hub, options.remote = file, remote{}
		own.ctx, own.options = ctx, &options
		go func() {
			err := c.show(&own)
			if err != nil {
				cancel()
			}
			shown <- err
		}()
		return func() { removeOwn(file, h.owner) }, nil
	})
	cancel()
	if showing {
		if e := <-shown; err == nil && p.ctx.Err() == nil && !errors.Is(e, syscall.EPIPE) {
			err = e
		}
	}
	return err
}

// removeOwn removes a credential unless another demo has put its own there.
func removeOwn(file string, own *credential) {
	if c, err := readCredential(file); err == nil && c.JID == own.JID {
		os.Remove(file)
	}
}

// show prints the live tree, what to type next, and each change, as any client
// would: over XMPP.
func (c *demoCmd) show(p *program) error {
	return p.with(func(ctx context.Context, s *client) error {
		roots, err := s.nodes.Children(ctx, nodes.In(nodes.RootID), nodes.Detail{})
		if err != nil {
			return err
		}
		if err := c.settle(ctx, s, roots); err != nil {
			return err
		}
		if err := p.printTree(ctx, s, roots); err != nil {
			return err
		}
		hub := "hub"
		if exe, err := os.Executable(); err != nil || strings.Contains(exe, "go-build") {
			hub = "go run ./cmd/hub" // how this one was started
		}
		fmt.Fprintf(p.out, "\nIn another terminal, try:\n  %s ls -r\n  %s read plant/tank\n  %s watch plant/tank/level\n  %s sniff plant\nCtrl-C ends the demo.\n\n", hub, hub, hub, hub)
		if c.Quiet {
			<-ctx.Done()
			return nil
		}
		return p.watch(ctx, s, events.Subscription{Refs: devices(ctx, s, roots), Categories: unlessAsked, MinInterval: time.Second}, 0) // pins move faster than one reads
	})
}
