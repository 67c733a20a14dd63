package owner

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"maps"
	"strconv"
	"sync"
	"unicode/utf8"

	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/xmppface/ext"
	"github.com/fieldhub/hub/xmppface/wire"
)

// NS is the namespace.
const NS = "urn:fieldhub:owner:1"

// The bounds of documents.
const (
	partSize  = 90_000   // bytes of a part, before escaping
	maxUpload = 16 << 20 // bytes of an import
	maxOpen   = 4        // imports under way, and exports
)

// Backend is what the namespace needs of the hub. Admit decides to whom the
// namespace exists; the others check the caller again. Paths are those of the hub's
// machine.
type Backend interface {
	// Admit tells whether the caller may administer the hub; it is quick.
	Admit(c nodes.Caller) bool
	// Export returns the tree as a file.
	Export(c nodes.Caller) ([]byte, error)
	// Import adds the nodes of a file, all or none, and counts them. name is for
	// messages.
	Import(ctx context.Context, c nodes.Caller, name string, doc []byte) (int, error)
	// Backup writes a backup to a file that must not exist and returns its path;
	// empty: one beside the regular ones.
	Backup(ctx context.Context, c nodes.Caller, file string) (string, error)
	// Restore checks a backup, which is put in place at the next start.
	Restore(ctx context.Context, c nodes.Caller, file string) error
	// Status tells how the hub is.
	Status(c nodes.Caller) ([]nodes.Property, error)
	// SetUser makes an account of the hub's own server or changes its password,
	// RemoveUser takes one away, Users lists their addresses.
	SetUser(c nodes.Caller, name, password string) error
	RemoveUser(c nodes.Caller, name string) error
	Users(c nodes.Caller) ([]string, error)
	// Audit returns records of the audit.
	Audit(c nodes.Caller, q nodes.AuditQuery) ([]nodes.Record, error)
	// Explain tells what somebody may do with a node, and why: a line for each rule.
	Explain(c, who nodes.Caller, ref nodes.Ref) ([]nodes.Property, error)
}

// Server is the hub's end.
type Server struct {
	backend Backend
	workers ext.Workers

	mu      sync.Mutex
	uploads map[transfer][]byte // what came so far
	exports map[transfer][]byte // what is being fetched, as it was at the beginning
}

// transfer is a document under way; id is the client's for an import, and empty for
// an export, of which a client has one at a time.
type transfer struct {
	link ext.Link
	from string
	id   string
}

// New makes the hub's end; it serves while Run runs.
func New(b Backend) *Server {
	return &Server{backend: b, uploads: make(map[transfer][]byte), exports: make(map[transfer][]byte)}
}

// Spaces returns the namespace.
func (s *Server) Spaces() []string { return []string{NS} }

// Run serves until ctx ends.
func (s *Server) Run(ctx context.Context) error {
	s.workers.Run(ctx, 8)
	return nil
}

// Gone drops what a peer has not finished.
func (s *Server) Gone(l ext.Link, jid string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	theirs := func(t transfer, _ []byte) bool { return t.link == l && (jid == "" || t.from == jid) }
	maps.DeleteFunc(s.uploads, theirs)
	maps.DeleteFunc(s.exports, theirs)
}

// Serve handles a request.
func (s *Server) Serve(rq *ext.Request) {
	if !s.backend.Admit(rq.Caller) {
		rq.Fail(&ext.StanzaError{Type: "cancel", Condition: "service-unavailable"})
		return
	}
	if !s.workers.Go(func(ctx context.Context) {
		answer, err := s.handle(ctx, rq)
		if err != nil {
			rq.Fail(err)
			return
		}
		rq.Result(answer)
	}) {
		rq.Fail(nodes.Errorf(nodes.Exhausted, "", nodes.Ref{}, "the hub is busy; try again"))
	}
}

func (s *Server) handle(ctx context.Context, rq *ext.Request) ([]byte, error) {
	p := rq.Payload
	switch p.Name.Local {
	case "export":
		return s.export(rq)
	case "import":
		return s.load(ctx, rq)
	case "backup":
		file, err := s.backend.Backup(ctx, rq.Caller, p.Attr("file"))
		if err != nil {
			return nil, told(err)
		}
		b := wire.AppendAttr([]byte("<backup xmlns='"+NS+"'"), "file", file)
		return append(b, "/>"...), nil
	case "restore":
		return nil, told(s.backend.Restore(ctx, rq.Caller, p.Attr("file")))
	case "status":
		list, err := s.backend.Status(rq.Caller)
		if err != nil {
			return nil, err
		}
		return appendItems("status", list), nil
	case "user":
		return nil, s.user(rq)
	case "users":
		return s.listUsers(rq)
	case "audit":
		return s.audit(rq)
	case "explain":
		who := nodes.Caller{JID: p.Attr("jid"), Way: nodes.Way(p.Attr("way"))}
		list, err := s.backend.Explain(rq.Caller, who, nodes.Ref{Source: p.Attr("src"), Partition: p.Attr("pt"), ID: p.Attr("id")}.Resolved())
		if err != nil {
			return nil, told(err)
		}
		return appendItems("explain", list), nil
	}
	return nil, nodes.Errorf(nodes.Unsupported, "", nodes.Ref{}, "unknown operation "+p.Name.Local)
}

// appendItems writes names with values.
func appendItems(element string, list []nodes.Property) []byte {
	b := []byte("<" + element + " xmlns='" + NS + "'>")
	for _, i := range list {
		b = append(b, "<item"...)
		b = wire.AppendAttr(b, "name", i.Name)
		b = wire.AppendAttr(b, "value", i.Value.String())
		b = append(b, "/>"...)
	}
	return append(b, "</"+element+">"...)
}

// told lets the owner see what a stranger would not: the whole text of an error.
func told(err error) error {
	if err == nil {
		return nil
	}
	var e *nodes.Error
	if errors.As(err, &e) && e.Kind != nodes.Internal {
		return err
	}
	text := err.Error()
	const most = 8000
	if len(text) > most {
		text = text[:most] + "\n…"
	}
	return &ext.StanzaError{Type: "cancel", Condition: "not-acceptable", Text: text}
}

func version(doc []byte) string {
	h := fnv.New64a()
	h.Write(doc)
	return strconv.FormatUint(h.Sum64(), 16)
}

// export sends one part. The first one makes the document; the others are of the
// same, whatever happens to the tree meanwhile.
func (s *Server) export(rq *ext.Request) ([]byte, error) {
	t := transfer{rq.Link, rq.Caller.Full, ""}
	offset := 0
	if text := rq.Payload.Attr("offset"); text != "" {
		var err error
		if offset, err = strconv.Atoi(text); err != nil || offset < 0 {
			return nil, nodes.Errorf(nodes.Invalid, "", nodes.Ref{}, "offset must be a number from 0 to the size of the document")
		}
	}
	var doc []byte
	if offset == 0 {
		var err error
		if doc, err = s.backend.Export(rq.Caller); err != nil {
			return nil, told(err)
		}
	} else {
		s.mu.Lock()
		doc = s.exports[t]
		s.mu.Unlock()
	}
	v := version(doc)
	if offset > 0 && (offset > len(doc) || rq.Payload.Attr("version") != v) {
		return nil, nodes.Errorf(nodes.Conflict, "", nodes.Ref{}, "this export has ended or another one has begun; begin again")
	}
	part := cut(doc[offset:])
	s.mu.Lock()
	_, open := s.exports[t]
	switch {
	case offset+len(part) == len(doc):
		delete(s.exports, t)
	case !open && len(s.exports) >= maxOpen:
		s.mu.Unlock()
		return nil, nodes.Errorf(nodes.Exhausted, "", nodes.Ref{}, "too many exports at once; try again")
	case offset == 0:
		s.exports[t] = doc
	}
	s.mu.Unlock()
	b := []byte("<part xmlns='" + NS + "'")
	b = wire.AppendAttr(b, "version", v)
	b = wire.AppendAttr(b, "size", strconv.Itoa(len(doc)))
	b = append(b, '>')
	b = wire.AppendText(b, string(part))
	return append(b, "</part>"...), nil
}

// cut returns the first part of a document, ending between two characters.
func cut(doc []byte) []byte {
	if len(doc) <= partSize {
		return doc
	}
	n := partSize
	for n > partSize-utf8.UTFMax && !utf8.RuneStart(doc[n]) {
		n--
	}
	return doc[:n]
}

// load takes one part of an import; the last one imports.
func (s *Server) load(ctx context.Context, rq *ext.Request) ([]byte, error) {
	p := rq.Payload
	u := transfer{rq.Link, rq.Caller.Full, p.Attr("id")}
	last := p.Flag("last")
	if u.id == "" {
		return nil, nodes.Errorf(nodes.Invalid, "", nodes.Ref{}, "import needs an id")
	}
	s.mu.Lock()
	doc, open := s.uploads[u]
	if !open && len(s.uploads) >= maxOpen {
		s.mu.Unlock()
		return nil, nodes.Errorf(nodes.Exhausted, "", nodes.Ref{}, "too many imports at once; try again")
	}
	doc = append(doc, p.Text...)
	switch {
	case len(doc) > maxUpload:
		delete(s.uploads, u)
		s.mu.Unlock()
		return nil, nodes.Errorf(nodes.NotAcceptable, "", nodes.Ref{}, fmt.Sprintf("the file is larger than %d bytes", maxUpload))
	case last:
		delete(s.uploads, u)
	default:
		s.uploads[u] = doc
	}
	s.mu.Unlock()
	if !last {
		return nil, nil
	}
	n, err := s.backend.Import(ctx, rq.Caller, p.Attr("name"), doc)
	if err != nil {
		return nil, told(err)
	}
	return fmt.Appendf(nil, "<imported xmlns='%s' nodes='%d'/>", NS, n), nil
}
