package sensordata

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/xmppface/ext"
	"github.com/fieldhub/hub/xmppface/ext/exttest"
	"github.com/fieldhub/hub/xmppface/wire"
)

func in(d time.Duration) string {
	return "when='" + time.Now().Add(d).UTC().Format("2006-01-02T15:04:05.000Z") + "'"
}

// plan asks for a readout and expects it to be queued.
func plan(t *testing.T, link *exttest.Link, id, when, children string) {
	t.Helper()
	e, err := link.AskRaw(t.Context(), "get", req(NSNF, "id='"+id+"' "+when, children))
	if err != nil || e.Name.Local != "accepted" || e.Attr("queued") != "true" || e.Attr("id") != id {
		t.Fatalf("%s: %v, %v", id, e, err)
	}
}

// A readout for later comes when its time has come: it is not sent before, not
// when it was cancelled or replaced, and the loss of the link does not touch it.
func TestPlanned(t *testing.T) {
	t.Parallel()
	link, messages, s := peer(t, newFake())
	began := time.Now()
	const ahead = soon + 300*time.Millisecond
	plan(t, link, "kept", in(ahead), "<nd id='Root'/>")
	plan(t, link, "cancelled", in(ahead), "<nd id='Root'/>")
	plan(t, link, "replaced", in(ahead), "<nd id='Root'/>")
	plan(t, link, "replaced", in(time.Hour), "<nd id='Root'/>")
	plan(t, link, "asked now", in(ahead), "<nd id='Root'/>")
	if _, err := link.AskRaw(t.Context(), "get", req(NSNF, "id='asked now'", "<nd id='Root'/>")); err != nil {
		t.Fatal(err)
	}
	if e, err := link.AskRaw(t.Context(), "set", "<cancel xmlns='"+NSNF+"' id='cancelled'/>"); err != nil || e != nil {
		t.Fatal(e, err)
	}
	s.Gone(link.Net().Server, "") // the link drops, and comes back when the time is over
	time.Sleep(time.Until(began.Add(ahead + 200*time.Millisecond)))
	if e := messages.next(0); e != nil {
		t.Fatalf("without a link came %s", e.Append(nil, ""))
	}
	s.Joined(link.Net().Server)
	var got []*wire.Element
	for e := messages.next(5 * time.Second); e != nil; e = messages.next(300 * time.Millisecond) {
		got = append(got, e)
	}
	if len(got) != 2 || got[0].Name.Local != "started" || got[1].Name.Local != "resp" || got[1].Flag("more") || got[1].Attr("id") != "kept" {
		for _, e := range got {
			t.Logf("%s", e.Append(nil, ""))
		}
		t.Errorf("%d messages, want started and resp of what was kept", len(got))
	}
}

func TestPlannedLimits(t *testing.T) {
	link, _, s := peer(t, newFake())
	refused := func(request, want string) {
		t.Helper()
		_, err := link.AskRaw(t.Context(), "get", request)
		var e *ext.StanzaError
		if !errors.As(err, &e) || e.Condition != want {
			t.Errorf("%s: %v, want %s", request, err, want)
		}
	}
	refused(req(NSNF, "id='7' "+in(MaxAhead+time.Hour), "<nd id='Root'/>"), "not-acceptable")
	refused(req(NSNF, "id='7' "+in(time.Hour), "<nd id='nowhere'/>"), "item-not-found")
	for i := range MaxPlannedEach {
		plan(t, link, fmt.Sprint(i), in(time.Hour), "<nd id='Root'/>")
	}
	refused(req(NSNF, "id='more' "+in(time.Hour), "<nd id='Root'/>"), "resource-constraint")
	plan(t, link, "0", in(2*time.Hour), "<nd id='Root'/>") // in place of the first
	if len(s.planned) != MaxPlannedEach || s.planned[plannedKey{nodes.WayLocal, exttest.ClientJID, "0"}] == nil {
		t.Errorf("%d are planned", len(s.planned))
	}
}
