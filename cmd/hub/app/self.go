package app

import (
	"context"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/fieldhub/hub/nodes"
)

// selfInterval is how often the hub tells of itself.
const selfInterval = 10 * time.Second

// tellSelf keeps the fields of the hub's own node, the root, current.
func (h *hub) tellSelf(ctx context.Context) error {
	tick := time.NewTicker(selfInterval)
	defer tick.Stop()
	var used time.Duration
	var at time.Time
	for {
		now, cpu := time.Now(), processorTime()
		share := -1.0
		if !at.IsZero() {
			share = 100 * float64(cpu-used) / float64(now.Sub(at))
		}
		used, at = cpu, now
		about := nodes.Reading{Node: nodes.RootID, MaxAge: 3 * selfInterval, Fields: h.self(now, share)}
		h.tree.Report([]nodes.Reading{about})
		about.Fields = slices.Clone(about.Fields)
		h.own.Report([]nodes.Reading{about})
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// self is what the hub tells of itself; share is its part of a processor in
// percent, below 0 when unknown.
func (h *hub) self(now time.Time, share float64) (out []nodes.Field) {
	add := func(c nodes.Category, name string, v nodes.Value) {
		out = append(out, nodes.Field{Name: name, Value: v, Time: now, Category: c})
	}
	add(nodes.Identity, "Version", nodes.String(release()))
	add(nodes.Identity, "System", nodes.String(runtime.GOOS+" "+runtime.GOARCH))
	if name, err := os.Hostname(); err == nil {
		add(nodes.Identity, "Host", nodes.String(name))
	}
	add(nodes.Status, "Started", nodes.DateTime(h.began))
	add(nodes.Status, "Uptime", nodes.Duration(0, now.Sub(h.began).Round(time.Second)))
	if kb, ok := residentMemory(); ok {
		add(nodes.Status, "Memory", nodes.Quantity(float64(kb)/1024, 1, "MiB"))
	}
	if share >= 0 {
		add(nodes.Status, "Processor", nodes.Quantity(share, 1, "%"))
	}
	if info, err := os.Stat(filepath.Join(h.db.Dir(), "hub.db")); err == nil {
		add(nodes.Status, "Data file", nodes.Quantity(float64(info.Size())/(1<<20), 1, "MiB"))
	}
	var disk syscall.Statfs_t
	if syscall.Statfs(h.db.Dir(), &disk) == nil {
		add(nodes.Status, "Disk free", nodes.Quantity(float64(disk.Bavail)*float64(disk.Bsize)/(1<<20), 0, "MiB"))
	}
	var all, faulty int32
	h.tree.WalkStates(func(s nodes.State) {
		all++
		if s >= nodes.StateErrorSigned {
			faulty++
		}
	})
	add(nodes.Status, "Nodes", nodes.Int32(all))
	add(nodes.Status, "Nodes in error", nodes.Int32(faulty))
	if f := h.faces[nodes.WayBroker]; f != nil {
		st := f.Status()
		add(nodes.Status, "Broker connected", nodes.Bool(st.Online))
		if !st.Since.IsZero() {
			add(nodes.Status, "Broker since", nodes.DateTime(st.Since))
		}
	}
	return out
}

// processorTime is the time that this process has used, on all processors.
func processorTime() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// residentMemory is the memory of this process in KiB (proc(5), status).
func residentMemory() (int, bool) {
	b, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, false
	}
	for l := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(l, "VmRSS:"); ok {
			n, err := strconv.Atoi(strings.TrimSuffix(strings.TrimSpace(rest), " kB"))
			return n, err == nil
		}
	}
	return 0, false
}
