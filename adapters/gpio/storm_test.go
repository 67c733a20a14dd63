package gpio

import (
	"context"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/fieldhub/hub/adapters/gpio/cdev"
	"github.com/fieldhub/hub/adapters/gpio/gpiotest"
	"github.com/fieldhub/hub/nodes"
)

// A chip is pulled and plugged in while everything else goes on; afterwards all works.
func TestStorm(t *testing.T) {
	t.Parallel()
	b := gpiotest.NewBoard()
	c := b.Add("sim", 8)
	c.NoInterrupt(5)
	pins := func(debounce time.Duration) []*nodes.Node {
		return []*nodes.Node{inputNode("door", "0", "Count", "both", "OnTime", true, "Frequency", true), inputNode("slow", "1", "Debounce", debounce),
			outputNode("up", "2", "Interlock", "blind"), outputNode("down", "3", "Interlock", "blind"), outputNode("bell", "4", "Lease", 10*time.Millisecond),
			inputNode("polled", "5", "PollInterval", time.Millisecond)}
	}
	d := start(t, b, chipNode(t, "sim", pins(time.Millisecond)...))
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	var all sync.WaitGroup
	loop := func(pause time.Duration, f func(i int)) {
		all.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				f(i)
				time.Sleep(pause)
			}
		})
	}
	variants := [][]*nodes.Node{chipNode(t, "sim", pins(time.Millisecond)...).Children, chipNode(t, "sim", pins(2*time.Millisecond)...).Children}
	loop(30*time.Millisecond, func(i int) {
		if i%2 == 0 {
			b.Pull(c)
		} else {
			b.Plug(c)
		}
	})
	loop(time.Millisecond, func(i int) {
		for line := range 2 {
			c.Drive(line, i%2 == 0)
		}
		c.Drive(5, i%4 < 2)
	})
	loop(5*time.Millisecond, func(i int) { d.Update(nodes.Change{Put: variants[i/2%2][i%6 : i%6+1]}) })
	loop(7*time.Millisecond, func(i int) {
		d.Update(nodes.Change{Removed: []string{"io/bell"}})
		d.Update(nodes.Change{Put: variants[0][4:5]})
	})
	for n, name := range []string{"up", "down", "bell"} {
		loop(time.Millisecond, func(i int) {
			d.Set(time.Second, nodes.Setting{Node: "io/" + name, Name: name, Value: nodes.Bool((i+n)%2 == 0)})
		})
	}
	loop(3*time.Millisecond, func(int) {
		d.Execute(time.Second, "io/up", "Blink", params("On", time.Millisecond, "Off", time.Millisecond, "Count", 3))
		d.Execute(time.Second, "io/door", "SetTotal", params("Total", 1.0))
		d.Query(time.Second, "io", "ListLines", nil)
		d.Read(time.Second, "io", "io/door", "io/up")
	})
	loop(500*time.Microsecond, func(int) {
		if c.Level(2) && c.Level(3) { // looked at one after the other: look again
			if w, x := c.Writes(2), c.Writes(3); w[len(w)-1].Level && x[len(x)-1].Level && c.Level(2) && c.Level(3) && c.Level(2) {
				t.Error("both outputs of a group are on")
			}
		}
	})
	all.Wait()
	b.Plug(c)
	for _, x := range variants[0] {
		d.Update(nodes.Change{Put: []*nodes.Node{x}})
	}
	c.Drive(0, false)
	waitFor(t, d, "io/door", "door", "false")
	c.Drive(0, true)
	waitFor(t, d, "io/door", "door", "true")
	eventually(t, "an output can be set", func() bool { return turn(t, d, "bell", true).State.Good() })
	for _, x := range variants[0] {
		d.Host.Wait(t, soon, x.ID+" works", func() bool { return d.Read(time.Second, x.ID)[x.ID].Err == nil })
	}
	d.Stop()
	if n := c.Opened(); n != 0 {
		t.Errorf("%d handles are left", n)
	}
	for line := range 8 {
		if user := c.Consumer(line); user != "" {
			t.Errorf("line %d is still used by %s", line, user)
		}
	}
}

// What does not fit into the queue of a line is counted by its number.
func TestOverflow(t *testing.T) {
	t.Parallel()
	b := gpiotest.NewBoard()
	c := b.Add("sim", 1)
	d := start(t, b, chipNode(t, "sim", inputNode("meter", "0", "Count", "rising")))
	waitFor(t, d, "io/meter", "meter", "false")
	const periods = 20000
	edges := wave(cdev.Now()-time.Second, 10*time.Microsecond, periods)
	dropped := c.Feed(0, 0, edges...)
	if dropped == 0 {
		t.Fatal("all edges fit into the queue")
	}
	waitFor(t, d, "io/meter", "meter count", strconv.Itoa((len(edges)-dropped+1)/2))
	c.Feed(0, 0, cdev.Event{Time: cdev.Now(), Rising: true}) // the next one shows the gap
	waitFor(t, d, "io/meter", "meter count", "20001")
	waitMessage(t, d, "io/meter", EventLost, "they are counted")
}
