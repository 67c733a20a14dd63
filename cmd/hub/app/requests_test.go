package app

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/persist"
	"github.com/fieldhub/hub/xmppface/xmpptest"
)

func TestRequests(t *testing.T) {
	db, err := persist.Open(t.TempDir(), persist.Options{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	now, friends, changes := time.Now(), map[string]bool{}, 0
	var told []string // who was refused unasked
	who := func(name string) nodes.Caller {
		return nodes.Caller{JID: name + "@b", Full: name + "@b/x", Way: nodes.WayBroker}
	}
	open := func(hold bool) *requests {
		r := openRequests(db.Shelf("presence"), slog.New(slog.DiscardHandler), hold, func(c nodes.Caller) bool { return friends[c.JID] }, func() { changes++ }, func(jid string) { told = append(told, jid) })
		r.now = func() time.Time { return now }
		return r
	}
	show := func(r *requests) (s string) {
		for _, x := range r.all() {
			s += fmt.Sprintf("%s %s; ", x.JID, x.Decision)
		}
		return s
	}
	r := open(true)
	for range 2 {
		if !r.Hold(who("a")) || !r.Hold(who("b")) || !r.Hold(who("c")) {
			t.Error("a request is refused")
		}
		now = now.Add(time.Minute)
	}
	if changes != 3 {
		t.Errorf("told of %d changes, want 3", changes)
	}
	for _, x := range []request{{JID: "b@b", Decision: accepted}, {JID: "c@b", Decision: rejected}, {JID: "later@b", Decision: accepted}} {
		if err := r.decide(x.JID, x.Decision); err != nil {
			t.Error(err)
		}
	}
	want := "a@b waiting; b@b accepted; c@b refused; later@b accepted; "
	if got := show(r); strings.Count(got, ";") != 4 || !strings.HasPrefix(got, "a@b waiting") {
		t.Errorf("got %s, want %s", got, want)
	}
	r = open(true) // after a restart
	if !r.welcome(who("b")) || !r.welcome(who("later")) || r.welcome(who("a")) || r.welcome(who("c")) || r.welcome(nodes.Caller{JID: "b@b", Way: nodes.WayLocal}) {
		t.Errorf("wrong ones are welcome of %s", show(r))
	}
	if r.Hold(who("c")) || !r.Hold(who("b")) {
		t.Error("a decision is forgotten")
	}
	if got := r.Accepted(); !slices.Equal(got, []string{"b@b", "later@b"}) {
		t.Errorf("accepted: %v", got)
	}
	friends["a@b"] = true // a rule says so meanwhile
	if got := r.Accepted(); !slices.Equal(got, []string{"a@b", "b@b", "later@b"}) || strings.Contains(show(r), "a@b") {
		t.Errorf("accepted: %v; left: %s", got, show(r))
	}
	if err := r.decide("a@b", rejected); err == nil || !strings.Contains(err.Error(), "rules below access") {
		t.Errorf("somebody with access is refused: %v", err)
	}

	for i := range maxRequests + 10 {
		now = now.Add(time.Second)
		r.Hold(who(fmt.Sprint("p", i)))
	}
	got := show(r)
	if n := strings.Count(got, "waiting"); n != maxRequests || strings.Contains(got, "p9@b") || !strings.Contains(got, "p10@b") || !r.welcome(who("b")) {
		t.Errorf("%d wait: %s", n, got)
	}
	if got, want := fmt.Sprintf("%s %d", told[0], len(told)), "p0@b 10"; got != want {
		t.Errorf("those who made room: %s, want %s", got, want)
	}
	now = now.Add(requestsExpire + time.Second)
	if got, want := show(r), "b@b accepted; later@b accepted; "; got != want {
		t.Errorf("a month later: got %s, want %s", got, want)
	}
	if n := len(told); n != maxRequests+10 {
		t.Errorf("%d are told that they waited in vain", n)
	}
	for i := range maxRequests - 2 {
		if err := r.decide(fmt.Sprintf("q%d@b", i), accepted); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.decide("q@b", accepted); err == nil || !strings.Contains(err.Error(), "accepted already") || r.decide("b@b", accepted) != nil {
		t.Errorf("one too many: %v", err)
	}
	if !open(true).Hold(who("c")) || open(false).Hold(who("d")) {
		t.Error("refused for more than a month, or held where nobody decides")
	}
}

// TestPresenceRequests: who asks without access waits for a decision, which is made by the
// commands, holds over restarts, and gives no rights; a rule decides, too.
func TestPresenceRequests(t *testing.T) {
	p := xmpptest.Prosody(t, xmpptest.Options{})
	for _, name := range []string{"gateway", "ops", "anna", "ben", "carl"} {
		p.AddUser(t, name, "pw-"+name)
	}
	secret := filepath.Join(t.TempDir(), "password")
	put(t, secret, "pw-gateway")
	config := fmt.Sprintf("xmpp: {jid: gateway@%[1]s, password_file: %[2]q, server: %[3]q, ca_file: %[4]q}\naccess:\n  - {who: [ops@%[1]s], may: [all]}\n", p.Domain(), secret, p.Addr(), p.CAFile())
	d := startDaemon(t, t.TempDir(), config)
	hub := "gateway@" + p.Domain()
	ops := login(t, p, "ops")
	ops.meet(t, hub)

	people := make(map[string]*person)
	for _, name := range []string{"anna", "ben", "carl"} {
		who := login(t, p, name)
		people[name] = who
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		if found, err := who.WaitAvailable(ctx, hub); err == nil {
			t.Errorf("the hub shows itself to %s: %v", name, found)
		}
		cancel()
	}
	says := func(want string, args ...string) {
		t.Helper()
		soon(t, strings.Join(args, " ")+": "+want, func() bool {
			out, _ := d.cli(args...)
			return strings.Contains(strings.Join(strings.Fields(out), " "), want)
		})
	}
	for name := range people {
		says(name+"@"+p.Domain(), "presence", "ls")
	}
	says("asking to see the hub's presence", "show", "Hub:access")
	says("Presence requests 3", "read", "Hub:access")
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"presence", "accept", "anna@" + p.Domain()}, "which gives no rights: those are rules below access"},
		{[]string{"presence", "refuse", "ben@" + p.Domain()}, "The request is refused"},
		{[]string{"presence", "refuse", "ops@" + p.Domain()}, "has access, and so sees the hub"},
		{[]string{"presence", "accept", "nobody"}, `"nobody" is no address`},
		{[]string{"presence", "accept", "a@b/c"}, "JID"},
	} {
		if out, _ := d.cli(tt.args...); !strings.Contains(out, tt.want) {
			t.Errorf("%v: got %s, want %q", tt.args, out, tt.want)
		}
	}
	people["anna"].meet(t, hub)
	if list, err := people["anna"].nodes.Sources(t.Context()); err != nil || len(list) != 0 {
		t.Errorf("she was given rights: %v, %v", list, err)
	}
	if err := people["anna"].nodes.Execute(t.Context(), nodes.Ref{Source: ownSource, ID: "access"}, acceptPresence, nodes.Params{"JID": nodes.String("ben@" + p.Domain())}); err == nil {
		t.Error("she may decide")
	}
	says("refused", "presence", "ls")

	// Carl is decided about by a rule, as soon as the file is saved.
	file := filepath.Join(d.dir, "hub.yaml")
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	put(t, file, string(b)+fmt.Sprintf("  - {who: [carl@%s], may: [see]}\n", p.Domain()))
	people["carl"].meet(t, hub)
	if out, _ := d.cli("presence", "ls"); strings.Contains(out, "carl@") {
		t.Errorf("he waits still: %s", out)
	}

	if err := people["carl"].nodes.Query(t.Context(), nodes.Ref{Source: ownSource, ID: "access"}, auditQuery, nil, func(nodes.Finding) error { return nil }); err == nil {
		t.Error("who may only see reads the audit")
	}

	// What was decided holds after a restart, also what the hub did not come to say.
	p.Stop()
	soon(t, "the hub off line", func() bool { out, _ := d.cli("show"); return strings.Contains(out, "is not online") })
	if out, code := d.cli("presence", "accept", "ben@"+p.Domain()); code != 0 {
		t.Error(out)
	}
	d.stop()
	p.Start(t)
	d = startDaemon(t, d.dir, config)
	ben := login(t, p, "ben")
	ben.meet(t, hub)
	anna := login(t, p, "anna")
	anna.meet(t, hub)

	// All that is in the audit, which is asked for by name.
	ops = login(t, p, "ops")
	ops.meet(t, hub)
	for _, tt := range []struct {
		params nodes.Params
		want   int
	}{
		{nodes.Params{"Who": nodes.String("owner@"), "Node": nodes.String("access"), "Outcome": nodes.String("is no address")}, 1},
		{nodes.Params{"Node": nodes.String("access"), "Count": nodes.Int32(1)}, 1},
		{nodes.Params{"Who": nodes.String("anna@"), "Outcome": nodes.String("done")}, 0},
		{nodes.Params{"From": nodes.DateTime(time.Now().Add(time.Hour))}, 0},
		{nodes.Params{"Node": nodes.String("access"), "To": nodes.DateTime(time.Now().Add(-time.Hour))}, 0},
	} {
		n := 0
		err := ops.nodes.Query(t.Context(), nodes.Ref{Source: ownSource, ID: "access"}, auditQuery, tt.params, func(f nodes.Finding) error {
			if rows, ok := f.(nodes.Rows); ok {
				n += len(rows.Rows)
			}
			return nil
		})
		if err != nil || n != tt.want {
			out, _ := d.cli("audit")
			t.Errorf("%v: %d records, %v, want %d\n%s", tt.params, n, err, tt.want, out)
		}
	}
}
