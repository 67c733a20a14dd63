package app

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fieldhub/hub/adapters"
	"github.com/fieldhub/hub/adapters/modbus"
	"github.com/fieldhub/hub/adapters/modbus/modbustest"
	"github.com/fieldhub/hub/cmd/hub/app/treefile"
	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/xmppface"
	"github.com/fieldhub/hub/xmppface/concentrator"
	"github.com/fieldhub/hub/xmppface/control"
	"github.com/fieldhub/hub/xmppface/disco"
	"github.com/fieldhub/hub/xmppface/events"
	"github.com/fieldhub/hub/xmppface/ext"
	"github.com/fieldhub/hub/xmppface/ext/exttest"
	"github.com/fieldhub/hub/xmppface/ping"
	"github.com/fieldhub/hub/xmppface/sensordata"
	"github.com/fieldhub/hub/xmppface/version"
	"github.com/fieldhub/hub/xmppface/xmpptest"
)

// text collects what a program prints.
type text struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (t *text) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.b.Write(p)
}

func (t *text) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.b.String()
}

// daemon runs "hub run" in this process until the test ends.
type daemon struct {
	dir  string
	out  *text
	stop func() int
}

func startDaemon(t *testing.T, dir, config string) *daemon {
	t.Helper()
	d := &daemon{dir: dir, out: &text{}}
	file := filepath.Join(dir, "hub.yaml")
	put(t, file, "data: data\nlocal: {listen: \"127.0.0.1:0\"}\nlog: {level: warn}\n"+config)
	ctx, cancel := context.WithCancel(context.Background())
	code := make(chan int, 1)
	go func() {
		code <- run(ctx, []string{"run", "-c", file}, d.out, d.out, []adapters.Factory{modbus.Factory()})
	}()
	var once sync.Once
	result := 0
	d.stop = func() int {
		once.Do(func() { cancel(); result = <-code })
		return result
	}
	t.Cleanup(func() {
		if d.stop() != 0 {
			t.Errorf("the daemon failed:\n%s", d.out)
		}
	})
	return d
}

// cli runs a client command against the daemon.
func (d *daemon) cli(args ...string) (string, int) {
	out := &text{}
	args = append([]string{"--hub", filepath.Join(d.dir, "data", ownerFile)}, args...)
	code := run(context.Background(), args, out, out, []adapters.Factory{modbus.Factory()})
	return out.String(), code
}

func put(t *testing.T, file, content string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func soon(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

// person is somebody with an account on the broker.
type person struct {
	*xmppface.Session
	nodes   *concentrator.Client
	values  *sensordata.Client
	changes *events.Client
}

func login(t *testing.T, p xmpptest.Server, name string) *person {
	t.Helper()
	who := &person{nodes: &concentrator.Client{}, values: &sensordata.Client{}, changes: &events.Client{}}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	var err error
	who.Session, err = xmppface.Dial(ctx, xmppface.Account{JID: name + "@" + p.Domain(), Password: "pw-" + name, Server: p.Addr(), CAFile: p.CAFile(), Resource: "test",
		Trace: func(_ bool, stanza []byte) { exttest.RecordStanza(stanza) }},
		inbox{[]string{concentrator.NSNFI, concentrator.NSNF, concentrator.NSIEEE}, []ext.Receiver{who.nodes}},
		inbox{[]string{sensordata.NSNFI, sensordata.NSNF, sensordata.NSIEEE}, []ext.Receiver{who.values, who.changes}})
	if err != nil {
		t.Fatal(err)
	}
	who.nodes.Link, who.values.Link, who.changes.Link = who.Session, who.Session, who.Session
	running, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- who.Session.Run(running) }()
	t.Cleanup(func() { stop(); <-done })
	return who
}

// meet waits for the hub's presence.
func (who *person) meet(t *testing.T, hub string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	found, err := who.WaitAvailable(ctx, hub)
	if err != nil {
		t.Fatal(err)
	}
	who.nodes.To, who.values.To, who.changes.To = found[0], found[0], found[0]
}

func TestBroker(t *testing.T) {
	p := xmpptest.Prosody(t, xmpptest.Options{})
	for _, name := range []string{"gateway", "ops", "viewer", "stranger"} {
		p.AddUser(t, name, "pw-"+name)
	}
	plant := modbustest.NewPlant(1)
	if err := plant.Listen("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- plant.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })

	secret := filepath.Join(t.TempDir(), "password")
	put(t, secret, "wrong")
	config := fmt.Sprintf(`
xmpp: {jid: gateway@%[1]s, password_file: %[2]q, server: %[3]q, ca_file: %[4]q}
access:
  - {who: [ops@%[1]s], may: [all]}
  - {who: [viewer@%[1]s], may: [see]}
`, p.Domain(), secret, p.Addr(), p.CAFile())
	d := startDaemon(t, t.TempDir(), config)
	hub := "gateway@" + p.Domain()

	// A wrong password is told, and the hub goes on without the broker.
	soon(t, "a message about the password", func() bool { out, _ := d.cli("show"); return strings.Contains(out, "password") })
	tree := filepath.Join(t.TempDir(), "tree.yaml")
	put(t, tree, string(appendPlant(t, plant.Addr())))
	if out, code := d.cli("import", tree); code != 0 {
		t.Fatal(out)
	}
	d.stop()
	put(t, secret, "pw-gateway")
	d = startDaemon(t, d.dir, config)
	soon(t, "the hub online", func() bool {
		out, _ := d.cli("status")
		return strings.Contains(out, "xmpp xmpp") && strings.Contains(out, "online as gateway@")
	})

	ops := login(t, p, "ops")
	ops.meet(t, hub)
	t.Run("reads", func(t *testing.T) { ops.readsTank(t) })
	t.Run("watches", func(t *testing.T) {
		changes := make(chan nodes.Reading, 1000)
		stop, err := ops.changes.Subscribe(t.Context(), events.Subscription{Refs: []nodes.Ref{nodes.In("plant/tank")}}, func(_ nodes.Ref, r nodes.Reading) { changes <- r })
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			select {
			case r := <-changes:
				if r.Err != nil || len(r.Fields) == 0 {
					t.Errorf("got %+v", r)
				}
			case <-time.After(10 * time.Second):
				t.Fatal("no change is told")
			}
		}
		if err := stop(t.Context()); err != nil {
			t.Error(err)
		}
	})
	t.Run("listens", func(t *testing.T) {
		l, err := ops.nodes.Sniff(t.Context(), nodes.In("plant"), time.Now().Add(time.Minute))
		if err != nil {
			t.Fatal(err)
		}
		if list, _, err := l.Next(t.Context()); err != nil || len(list) == 0 {
			t.Errorf("got %v, %v", list, err)
		}
		if err := l.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
	t.Run("edits, moves and runs commands of several nodes", func(t *testing.T) { ops.edits(t) })
	t.Run("answers what others ask", func(t *testing.T) {
		info, err := disco.Ask(t.Context(), ops, ops.nodes.To, "")
		if err != nil {
			t.Fatal(err)
		}
		for _, space := range []string{concentrator.NSNFI, concentrator.NSNF, concentrator.NSIEEE, sensordata.NSNFI, "urn:nfi:iot:events:1.0", control.NSNFI, "urn:xmpp:ping", "jabber:iq:version"} {
			if info.First(space) != space {
				t.Errorf("disco#info lacks %s", space)
			}
		}
		if _, err := ping.Send(t.Context(), ops, ops.nodes.To); err != nil {
			t.Error(err)
		}
		if v, err := version.Ask(t.Context(), ops, ops.nodes.To); err != nil || v.Name != "hub" {
			t.Errorf("version: %+v, %v", v, err)
		}
	})
	t.Run("the example program reads", func(t *testing.T) {
		password := filepath.Join(t.TempDir(), "password")
		put(t, password, "pw-ops\n")
		out, err := exec.Command("go", "run", "../../../examples/read", "-jid", "ops@"+p.Domain(), "-password-file", password,
			"-server", p.Addr(), "-ca", p.CAFile(), "-hub", hub, "plant/tank").CombinedOutput()
		if err != nil || !strings.Contains(string(out), "plant/tank  level = ") {
			t.Errorf("%v\n%s", err, out)
		}
	})
	t.Run("a viewer may see and no more", func(t *testing.T) {
		viewer := login(t, p, "viewer")
		viewer.meet(t, hub)
		list, err := viewer.nodes.Children(t.Context(), nodes.In("plant/tank"), nodes.Detail{})
		if err != nil || len(list) != 6 || list[0].Readable {
			t.Errorf("%d nodes, %v", len(list), err)
		}
		viewer.refused(t, "forbidden", "forbidden")
	})
	t.Run("a stranger finds nothing", func(t *testing.T) {
		stranger := login(t, p, "stranger")
		stranger.nodes.To, stranger.values.To, stranger.changes.To = ops.nodes.To, ops.nodes.To, ops.nodes.To
		if list, err := stranger.nodes.Sources(t.Context()); err != nil || len(list) != 0 {
			t.Errorf("sources: %v, %v", list, err)
		}
		stranger.refused(t, "item-not-found", "item-not-found")
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if found, err := stranger.WaitAvailable(ctx, hub); err == nil {
			t.Errorf("the hub shows itself to a stranger: %v", found)
		}
	})
	t.Run("the connection is made anew by a command that came by it", func(t *testing.T) {
		before, _ := d.cli("status")
		if err := ops.nodes.Execute(t.Context(), nodes.Ref{Source: "Hub", ID: "connections"}, "Reconnect", nil); err != nil {
			t.Fatal(err)
		}
		soon(t, "another session", func() bool {
			after, _ := d.cli("status")
			return after != before && strings.Contains(after, "online as gateway@")
		})
	})
	t.Run("the broker restarts", func(t *testing.T) {
		p.Stop()
		soon(t, "a message about the broker", func() bool { out, _ := d.cli("show"); return strings.Contains(out, "is not online") })
		p.Start(t)
		soon(t, "the hub online again", func() bool { out, _ := d.cli("show"); return !strings.Contains(out, "is not online") })
		ops := login(t, p, "ops")
		ops.meet(t, hub)
		ops.readsTank(t)
	})
}

func appendPlant(t *testing.T, addr string) []byte {
	t.Helper()
	types := modbus.Factory().Types
	return treefile.Append(nil, modbustest.PlantTree(addr), func(name string) (nodes.Type, bool) {
		for _, x := range types {
			if x.Name == name {
				return x, true
			}
		}
		return nodes.Type{}, false
	})
}

func (who *person) readsTank(t *testing.T) {
	t.Helper()
	soon(t, "good values of the tank", func() bool {
		n := 0
		err := who.values.Read(t.Context(), nodes.Readout{Refs: []nodes.Ref{nodes.In("plant/tank")}, Categories: nodes.Momentary}, func(_ nodes.Ref, r nodes.Reading) {
			if r.Err == nil {
				n += len(r.Fields)
			}
		})
		return err == nil && n == 6
	})
}

// refused checks that reading and changing fail with these conditions.
func (who *person) refused(t *testing.T, read, change string) {
	t.Helper()
	check := func(what string, err error, want string) {
		t.Helper()
		var s *ext.StanzaError
		if !errors.As(err, &s) || s.Condition != want {
			t.Errorf("%s: %v, want %s", what, err, want)
		}
	}
	tank := nodes.In("plant/tank")
	check("read", who.values.Read(t.Context(), nodes.Readout{Refs: []nodes.Ref{tank}}, func(nodes.Ref, nodes.Reading) { t.Error("a value was told") }), read)
	_, err := who.changes.Subscribe(t.Context(), events.Subscription{Refs: []nodes.Ref{tank}}, func(nodes.Ref, nodes.Reading) { t.Error("a change was told") })
	check("watch", err, read)
	check("destroy", who.nodes.Destroy(t.Context(), tank), change)
	_, err = who.nodes.Create(t.Context(), nodes.NewNode{Parent: nodes.In("Root"), Type: "folder", Name: "x"})
	check("create", err, change)
	_, err = who.nodes.Sniff(t.Context(), nodes.In("plant"), time.Now().Add(time.Minute))
	check("sniff", err, change)
}
