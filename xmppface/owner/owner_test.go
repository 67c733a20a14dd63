package owner

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/xmppface/ext"
	"github.com/fieldhub/hub/xmppface/ext/exttest"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { exttest.Main(m, func() error { return goleak.Find() }) }

// hub is a backend that keeps a document.
type hub struct {
	mu       sync.Mutex
	doc      string
	changing bool
	names    []string
	stranger bool
	err      error
}

func (h *hub) Export(nodes.Caller) ([]byte, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.changing {
		h.doc += "#"
	}
	return []byte(h.doc), h.err
}

func (h *hub) Import(_ context.Context, _ nodes.Caller, _ string, doc []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.err != nil {
		return 0, h.err
	}
	h.doc = string(doc)
	return 7, nil
}

func (h *hub) Backup(_ context.Context, _ nodes.Caller, file string) (string, error) {
	return "/data/" + file, h.err
}
func (h *hub) Restore(context.Context, nodes.Caller, string) error { return h.err }
func (h *hub) Admit(nodes.Caller) bool                             { return !h.stranger }
func (h *hub) Status(nodes.Caller) ([]nodes.Property, error) {
	return []nodes.Property{{Name: "nodes", Value: nodes.Int32(3)}}, nil
}

func (h *hub) Audit(_ nodes.Caller, q nodes.AuditQuery) (out []nodes.Record, _ error) {
	for n := q.After + 1; n <= 250 && len(out) < q.Most; n++ {
		out = append(out, nodes.Record{Number: n, Time: time.Unix(int64(n), 0).UTC(), JID: "a<b@c/x" + q.JID, Way: nodes.WayLocal, Action: "set",
			Ref: nodes.In("x&y" + q.Node), What: "p", Before: "1", After: "\"2\"", Outcome: "done"})
	}
	return out, nil
}

func (h *hub) SetUser(_ nodes.Caller, name, password string) error {
	if password == "" {
		return errors.New("a password has 1 to 1000 characters")
	}
	h.names = append(h.names, name+"="+password)
	return nil
}

func (h *hub) RemoveUser(_ nodes.Caller, name string) error {
	h.names = append(h.names, "without "+name)
	return nil
}

func (h *hub) Users(nodes.Caller) ([]string, error) { return h.names, nil }

func (h *hub) Explain(_, who nodes.Caller, ref nodes.Ref) ([]nodes.Property, error) {
	if ref.ID == "gone" {
		return nil, nodes.Errorf(nodes.NotFound, "explain", ref, "no node gone")
	}
	return []nodes.Property{{Name: "may", Value: nodes.String("see|read")}, {Name: who.String(), Value: nodes.String(ref.Source + ":" + ref.ID)}}, nil
}

func pair(t *testing.T, h *hub) *Client {
	l := exttest.Pair(t, New(h), nil)
	return &Client{Link: l, To: "hub@example.org/hub"}
}

// peer sets the address of the server as the pair has it.
func peer(t *testing.T, c *Client) *Client {
	t.Helper()
	c.To = c.Link.(*exttest.Link).Net().Server.Self()
	return c
}

func TestDocumentsOfAnySize(t *testing.T) {
	for _, size := range []int{0, 1, partSize - 1, partSize, partSize + 1, 3*partSize + 17} {
		want := strings.Repeat("ä", size/2) + strings.Repeat("<", size%2)
		h := &hub{}
		c := peer(t, pair(t, h))
		n, err := c.Import(t.Context(), "tree.yaml", []byte(want))
		if err != nil || n != 7 || h.doc != want {
			t.Fatalf("%d bytes: imported %d bytes as %d nodes, %v", size, len(h.doc), n, err)
		}
		got, err := c.Export(t.Context())
		if err != nil || string(got) != want {
			t.Errorf("%d bytes: exported %d, %v", size, len(got), err)
		}
	}
}

// TestExportOfATreeThatChanges: all parts are of one document, as it was when the
// first was sent; it is made once and not kept.
func TestExportOfATreeThatChanges(t *testing.T) {
	h := &hub{doc: strings.Repeat("x", 3*partSize), changing: true}
	s := New(h)
	c := peer(t, &Client{Link: exttest.Pair(t, s, nil)})
	for n := 1; n <= 2; n++ {
		want := strings.Repeat("x", 3*partSize) + strings.Repeat("#", n)
		if doc, err := c.Export(t.Context()); err != nil || string(doc) != want {
			t.Fatalf("got %d bytes, want %d; %v", len(doc), len(want), err)
		}
	}
	if len(s.exports) > 0 {
		t.Error("the document is kept after its last part")
	}
	h.changing = false
	part := func(attributes string) error {
		_, err := c.Link.Ask(t.Context(), c.To, "get", []byte("<export xmlns='"+NS+"' "+attributes+"/>"))
		return err
	}
	for _, wrong := range []string{"offset='7' version='1'", "offset='-1'", "offset='x'", "offset='1'", "offset='99999999' version='cbf29ce484222325'"} {
		if part(wrong) == nil {
			t.Errorf("%s was answered", wrong)
		}
	}
	if err := part("offset='0'"); err != nil {
		t.Fatal(err)
	}
	if err := part("offset='90000' version='1'"); err == nil {
		t.Error("a part of another version was sent")
	}
	s.Gone(c.Link, "") // of another link: nothing to do
	left := func() int {
		s.mu.Lock()
		defer s.mu.Unlock()
		return len(s.exports)
	}
	if left() != 1 {
		t.Fatalf("%d exports are open, want 1", left())
	}
	for open := range s.exports {
		s.Gone(open.link, open.from)
	}
	if left() != 0 {
		t.Errorf("%d exports are open after the client has gone", left())
	}
}

func TestErrorsAreToldWhole(t *testing.T) {
	h := &hub{err: errors.New("tree.yaml:3:4: unknown key \"nmae\"\n    nmae: x")}
	c := peer(t, pair(t, h))
	var s *ext.StanzaError
	if _, err := c.Import(t.Context(), "tree.yaml", []byte("x")); !errors.As(err, &s) || s.Text != h.err.Error() {
		t.Errorf("got %v, want %v", err, h.err)
	}
	if err := c.Restore(t.Context(), "x"); !errors.As(err, &s) || s.Text != h.err.Error() {
		t.Errorf("got %v, want %v", err, h.err)
	}
	h.err = nil
	if n, err := c.Import(t.Context(), "tree.yaml", []byte("caf\xe9")); err == nil || !strings.Contains(err.Error(), "tree.yaml is not UTF-8") {
		t.Errorf("a file in another encoding: %d nodes, %v", n, err)
	}
}

func TestStrangerSeesNothing(t *testing.T) {
	c := peer(t, pair(t, &hub{stranger: true}))
	for _, op := range []string{"export", "import", "backup", "restore", "status", "nonsense"} {
		_, err := c.Link.Ask(t.Context(), c.To, "set", []byte("<"+op+" xmlns='"+NS+"' id='1'/>"))
		var s *ext.StanzaError
		if !errors.As(err, &s) || s.Condition != "service-unavailable" {
			t.Errorf("%s: got %v", op, err)
		}
	}
}

func TestStatusAndBackup(t *testing.T) {
	c := peer(t, pair(t, &hub{}))
	list, err := c.Status(t.Context())
	if err != nil || len(list) != 1 || list[0].Name != "nodes" || list[0].Value.Text() != "3" {
		t.Errorf("status: %v, %v", list, err)
	}
	if err := errors.Join(c.SetUser(t.Context(), "anna", "p&w"), c.RemoveUser(t.Context(), "bob")); err != nil {
		t.Error(err)
	}
	if err := c.SetUser(t.Context(), "anna", ""); err == nil || !strings.Contains(err.Error(), "1 to 1000") {
		t.Errorf("no password: %v", err)
	}
	if list, err := c.Users(t.Context()); err != nil || fmt.Sprint(list) != "[anna=p&w without bob]" {
		t.Errorf("users: %q, %v", list, err)
	}
	var records []nodes.Record
	if err := c.Audit(t.Context(), nodes.AuditQuery{JID: "j", Node: "n", After: 10}, func(r nodes.Record) bool { records = append(records, r); return true }); err != nil {
		t.Fatal(err)
	}
	want := nodes.Record{Number: 250, Time: time.Unix(250, 0).UTC(), JID: "a<b@c/xj", Way: nodes.WayLocal, Action: "set",
		Ref: nodes.In("x&yn"), What: "p", Before: "1", After: "\"2\"", Outcome: "done"}
	if len(records) != 240 || records[239] != want {
		t.Errorf("audit: %d records, the last %+v, want %+v", len(records), records[len(records)-1], want)
	}
	if err := c.Audit(t.Context(), nodes.AuditQuery{Most: 7}, func(r nodes.Record) bool { records = append(records, r); return true }); err != nil || len(records) != 247 {
		t.Errorf("audit: %d records, %v", len(records), err)
	}
	for _, wrong := range []string{"after='x'", "since='yesterday'"} {
		if _, err := c.Link.Ask(t.Context(), c.To, "get", []byte("<audit xmlns='"+NS+"' "+wrong+"/>")); err == nil {
			t.Errorf("%s was served", wrong)
		}
	}
	list, err = c.Explain(t.Context(), nodes.Caller{JID: "a<b@c", Way: nodes.WayLocal}, nodes.In("x"))
	if err != nil || len(list) != 2 || list[0].Value.Text() != "see|read" || list[1].Name != "a<b@c (local)" || list[1].Value.Text() != "MeteringTopology:x" {
		t.Errorf("explain: %v, %v", list, err)
	}
	if _, err := c.Explain(t.Context(), nodes.Caller{}, nodes.In("gone")); err == nil || !strings.Contains(err.Error(), "no node gone") {
		t.Errorf("explain: %v", err)
	}
	if file, err := c.Backup(t.Context(), "b.db"); err != nil || file != "/data/b.db" {
		t.Errorf("backup: %q, %v", file, err)
	}
	if _, err := c.Link.Ask(t.Context(), c.To, "get", []byte("<nonsense xmlns='"+NS+"'/>")); err == nil {
		t.Error("an unknown operation was served")
	}
}

func TestUploadsAreBounded(t *testing.T) {
	c := peer(t, pair(t, &hub{}))
	open := func(id string) error {
		_, err := c.Link.Ask(t.Context(), c.To, "set", []byte("<import xmlns='"+NS+"' id='"+id+"'>x</import>"))
		return err
	}
	for _, id := range []string{"a", "b", "c", "d"} {
		if err := open(id); err != nil {
			t.Fatal(err)
		}
	}
	var s *ext.StanzaError
	if err := open("e"); !errors.As(err, &s) || s.Condition != "resource-constraint" {
		t.Errorf("a fifth import: %v", err)
	}
	if err := open(""); !errors.As(err, &s) || s.Condition != "bad-request" {
		t.Errorf("an import without id: %v", err)
	}
}
