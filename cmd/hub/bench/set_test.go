package bench

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fieldhub/hub/adapters/modbus/modbustest"
	"github.com/fieldhub/hub/adapters/modbus/wire"
	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/xmppface/control"
	"github.com/fieldhub/hub/xmppface/events"
	"github.com/fieldhub/hub/xmppface/ext"
	"github.com/fieldhub/hub/xmppface/sensordata"
)

// fullBus makes units with three registers each, of which one may be set and is read back.
func fullBus(b *modbustest.Bus, units int, delay time.Duration) {
	for id := 1; id <= units; id++ {
		u := b.Unit(byte(id))
		u.SetWords(wire.HoldingRegister, 0, make([]uint16, 200)...)
		u.SetFault(modbustest.Fault{Delay: delay})
	}
}

// fullTree polls them as fast as it goes.
func fullTree(gateway string, units int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "- name: gw\n  %s\n  children:\n", gateway)
	for id := 1; id <= units; id++ {
		fmt.Fprintf(&b, "    - name: u%d\n      type: modbus.unit\n      params: {UnitId: %[1]d}\n      children:\n", id)
		fmt.Fprint(&b, "        - {name: one, type: modbus.register, params: {Table: holdingRegister, Address: 0}}\n"+
			"        - {name: two, type: modbus.register, params: {Table: holdingRegister, Address: 100}}\n"+
			"        - {name: set, type: modbus.register, params: {Table: holdingRegister, Address: 199, Writable: true, ReadBack: true}}\n")
	}
	return b.String()
}

// TestSet measures, through the daemon and its local server, from a set to the answer that
// says it is verified, and from a register that changes to the subscriber's stanza, while
// the bus is polled as fast as it goes.
func TestSet(t *testing.T) {
	fmt.Printf("\nThrough the daemon while the bus is polled as fast as it goes: from a set to the answer that it was read back, and from a register that changes in the device to the subscriber\n\n")
	fmt.Printf("| bus | set p50 | set p99 | change p50 | change p99 |\n|---|---|---|---|---|\n")
	server := modbustest.NewServer()
	fullBus(&server.Bus, 20, 5*time.Millisecond)
	if err := server.Listen("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	go server.Run(t.Context())
	host, port, _ := strings.Cut(server.Addr(), ":")
	measureSet(t, "TCP, 20 units that answer after 5 ms", &server.Bus, fullTree(fmt.Sprintf("type: modbus.gateway\n  params: {Host: %s, Port: %s, PollInterval: 20ms}", host, port), 20))
	for _, baud := range []int{9600, 115200} {
		line := modbustest.NewLine(baud)
		fullBus(&line.Bus, 4, 0)
		path, err := line.Open()
		if err != nil {
			t.Fatal(err)
		}
		go line.Run(t.Context())
		measureSet(t, fmt.Sprintf("RTU, 4 units, %d baud", baud), &line.Bus, fullTree(fmt.Sprintf("type: modbus.serial\n  params: {Port: %q, BaudRate: %d, PollInterval: 20ms}", path, baud), 4))
	}
}

func measureSet(t *testing.T, name string, bus *modbustest.Bus, tree string) {
	daemon := startDaemon(t, tree)
	defer func() {
		daemon.Process.Kill()
		daemon.Wait()
	}()
	changes := &events.Client{}
	link, to := owner(t, daemon, told{changes})
	changes.Link, changes.To = link, to
	came := make(chan float64, 100)
	stop, err := changes.Subscribe(t.Context(), events.Subscription{Refs: []nodes.Ref{nodes.In("gw/u1/one")}}, func(_ nodes.Ref, r nodes.Reading) {
		for _, f := range r.Fields {
			came <- f.Value.Double()
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	change := func(v int) time.Duration {
		began := time.Now()
		bus.Unit(1).SetWords(wire.HoldingRegister, 0, uint16(v))
		for {
			select {
			case got := <-came:
				if got == float64(v) {
					return time.Since(began)
				}
			case <-time.After(20 * time.Second):
				t.Fatalf("%s: the change to %d is not told", name, v)
			}
		}
	}
	change(1) // all is running
	var told []time.Duration
	for i := range 60 {
		told = append(told, change(i+2))
		time.Sleep(time.Duration(i*7%100) * time.Millisecond) // not in step with the polling
	}
	stop(t.Context())

	client := &control.Client{Link: link, To: to}
	var took []time.Duration
	for i := range 200 {
		began := time.Now()
		out, err := client.Set(t.Context(), []nodes.Ref{nodes.In("gw/u1/set")}, control.Parameter{Name: "set", Value: nodes.Int32(int32(i + 1))})
		if err != nil || len(out) != 1 || !out[0].State.Good() || bus.Unit(1).Word(wire.HoldingRegister, 199) != uint16(i+1) {
			t.Fatalf("%s: %+v, %v", name, out, err)
		}
		took = append(took, time.Since(began))
	}
	slices.Sort(took)
	slices.Sort(told)
	at := func(list []time.Duration, percent int) time.Duration {
		return list[len(list)*percent/100].Round(10 * time.Microsecond)
	}
	fmt.Printf("| %s | %v | %v | %v | %v |\n", name, at(took, 50), at(took, 99), at(told, 50), at(told, 99))
}

// told takes the messages of subscriptions.
type told struct{ *events.Client }

func (told) Spaces() []string { return []string{sensordata.NSNFI} }
func (told) Serve(r *ext.Request) {
	r.Fail(&ext.StanzaError{Type: "cancel", Condition: "service-unavailable"})
}
