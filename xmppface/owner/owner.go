package owner

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
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
	maxOpen   = 4        // imports under way
)

// Backend is what the namespace needs of the hub. Every method checks the caller;
// an error of kind NotFound or Forbidden is shown as if the namespace were not
// served. Paths are those of the hub's machine.
type Backend interface {
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
}

// Server is the hub's end.
type Server struct {
	backend Backend
	workers ext.Workers

	mu      sync.Mutex
	uploads map[upload][]byte
}

type upload struct {
	link ext.Link
	from string
	id   string
}

// New makes the hub's end; it serves while Run runs.
func New(b Backend) *Server {
	return &Server{backend: b, uploads: make(map[upload][]byte)}
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
	for u := range s.uploads {
		if u.link == l && (jid == "" || u.from == jid) {
			delete(s.uploads, u)
		}
	}
}

// Serve handles a request.
func (s *Server) Serve(rq *ext.Request) {
	// Whoever may not even ask for the status learns nothing more.
	if _, err := s.backend.Status(rq.Caller); err != nil {
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
		b := []byte("<status xmlns='" + NS + "'>")
		for _, i := range list {
			b = append(b, "<item"...)
			b = wire.AppendAttr(b, "name", i.Name)
			b = wire.AppendAttr(b, "value", i.Value.String())
			b = append(b, "/>"...)
		}
		return append(b, "</status>"...), nil
	}
	return nil, nodes.Errorf(nodes.Unsupported, "", nodes.Ref{}, "unknown operation "+p.Name.Local)
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

func (s *Server) export(rq *ext.Request) ([]byte, error) {
	doc, err := s.backend.Export(rq.Caller)
	if err != nil {
		return nil, told(err)
	}
	offset := 0
	if text := rq.Payload.Attr("offset"); text != "" {
		offset, err = strconv.Atoi(text)
		if err != nil || offset < 0 || offset > len(doc) {
			return nil, nodes.Errorf(nodes.Invalid, "", nodes.Ref{}, "offset must be a number from 0 to the size of the document")
		}
	}
	v := version(doc)
	if offset > 0 && rq.Payload.Attr("version") != v {
		return nil, nodes.Errorf(nodes.Conflict, "", nodes.Ref{}, "the tree changed meanwhile; begin again")
	}
	part := cut(doc[offset:])
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
	u := upload{rq.Link, rq.Caller.Full, p.Attr("id")}
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
