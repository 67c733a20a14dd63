package stream

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"io"
	"net"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const header = "<?xml version='1.0'?><stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' version='1.0' id='1' to='a>b'>"

// open makes a stream whose other end is a bare connection.
func open(t testing.TB, head string, o Options) (*Stream, net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	peer, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	ours, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { peer.Close(); ours.Close() })
	if _, err := io.WriteString(peer, head); err != nil {
		t.Fatal(err)
	}
	c := NewConn(ours)
	d := xml.NewDecoder(c)
	for {
		tok, err := d.Token()
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := tok.(xml.StartElement); ok {
			break
		}
	}
	s, err := New(c, o)
	if err != nil {
		t.Fatal(err)
	}
	return s, peer
}

// run runs s until the test ends and returns how to end it earlier.
func run(t testing.TB, s *Stream) (end func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	var once sync.Once
	var err error
	end = func() error {
		once.Do(func() { cancel(); err = <-done })
		return err
	}
	t.Cleanup(func() { end() })
	return end
}

func TestRead(t *testing.T) {
	deep := strings.Repeat("<a>", 100) + strings.Repeat("</a>", 100)
	attrs := "<iq" + strings.Repeat(" a='1'", 2) + "/>"
	for _, tt := range []struct {
		name, in string
		stanzas  int
		want     string // text of the error after them
	}{
		{"stanzas and white space", "<iq id='1'/> \n<message><body>x</body></message>\t</stream:stream>", 2, "EOF"},
		{"stream error", "<stream:error><conflict xmlns='urn:ietf:params:xml:ns:xmpp-streams'/><text xmlns='urn:ietf:params:xml:ns:xmpp-streams'>Replaced</text></stream:error></stream:stream>", 0,
			"stream closed by the other side: Replaced (conflict)"},
		{"streams' namespace inside a stanza", "<message><error xmlns='http://etherx.jabber.org/streams'/></message><iq><stream:stream/></iq></stream:stream>", 2, "EOF"},
		{"cut off", "<iq/><message>", 1, "unexpected EOF"},
		{"mismatched", "<iq/><message></iq>", 1, "not-well-formed"},
		{"text between", "<iq/>x<iq/>", 1, "not-well-formed"},
		{"comment", "<iq><!-- x --></iq>", 0, "restricted-xml"},
		{"comment between", "<!-- x -->", 0, "restricted-xml"},
		{"processing instruction", "<iq/><?x y?>", 1, "restricted-xml"},
		{"document type", "<!DOCTYPE x [<!ENTITY a 'b'>]>", 0, "restricted-xml"},
		{"unknown entity", "<message>&a;</message>", 0, "not-well-formed"},
		{"too deep", "<message>" + deep + "</message>", 0, "policy-violation"},
		{"attribute twice", attrs, 0, "not-well-formed"},
		{"many attributes", "<iq" + strings.Repeat(" a='1'", 100) + "/>", 0, "policy-violation"},
		{"bad UTF-8", "<message>\xff\xfe</message>", 0, "not-well-formed"},
		{"control character", "<message>\x01</message>", 0, "not-well-formed"},
		{"unexpected at the level of the stream", "<stream:features/>", 0, "bad-format"},
		{"another stream", header, 0, "restricted-xml"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, peer := open(t, header, Options{})
			run(t, s)
			io.WriteString(peer, tt.in)
			peer.(*net.TCPConn).CloseWrite()
			n := 0
			for {
				_, err := s.Read()
				if err == nil {
					n++
					continue
				}
				if !strings.Contains(err.Error(), tt.want) {
					t.Errorf("Read: got %q, want %q", err, tt.want)
				}
				break
			}
			if n != tt.stanzas {
				t.Errorf("got %d stanzas, want %d", n, tt.stanzas)
			}
		})
	}
}

func TestOpeningTag(t *testing.T) {
	for _, tt := range []struct{ head, end string }{
		{header, "</stream:stream>"},
		{`<s:stream xmlns:s="http://etherx.jabber.org/streams" xmlns="jabber:client">`, "</s:stream>"},
		{`<stream xmlns='http://etherx.jabber.org/streams'>`, "</stream>"},
	} {
		s, peer := open(t, tt.head, Options{})
		run(t, s)
		io.WriteString(peer, "<iq xmlns='jabber:client' id='7'/>"+tt.end)
		e, err := s.Read()
		if err != nil || e.Attr("id") != "7" || string(s.Raw()) != "<iq xmlns='jabber:client' id='7'/>" {
			t.Errorf("%s: %v, %v, raw %s", tt.head, e, err, s.Raw())
		}
		if _, err := s.Read(); err != io.EOF {
			t.Errorf("%s: at the end: %v, want EOF", tt.head, err)
		}
	}
}

func TestTooLargeKeepsMemoryBounded(t *testing.T) {
	for _, tt := range []struct{ name, start, fill string }{
		{"text", "<message>", strings.Repeat("x", 4096)},
		{"attribute", "<message a='", strings.Repeat("x", 4096)},
		{"elements", "<message>", strings.Repeat("<a/>", 1024)},
		{"name", "<", strings.Repeat("x", 4096)},
		{"comment", "<message><!--", strings.Repeat("x", 4096)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, peer := open(t, header, Options{})
			run(t, s)
			stopped := make(chan struct{})
			go func() {
				defer close(stopped)
				io.WriteString(peer, tt.start)
				for range 16 << 10 { // 64 MiB
					if _, err := io.WriteString(peer, tt.fill); err != nil {
						return
					}
				}
			}()
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err := s.Read()
			runtime.ReadMemStats(&after)
			var e *Error
			if !errors.As(err, &e) || e.Condition != "policy-violation" {
				t.Errorf("Read: %v, want policy-violation", err)
			}
			if used := after.TotalAlloc - before.TotalAlloc; used > 16<<20 {
				t.Errorf("%d bytes were allocated", used)
			}
			s.End(e)
			<-s.Done()
			<-stopped
		})
	}
}

func TestSendCoalesces(t *testing.T) {
	s, peer := open(t, header, Options{})
	const n = 1000
	for range n {
		if err := s.Send([]byte("<iq>"), []byte("x"), []byte("</iq>")); err != nil {
			t.Fatal(err)
		}
	}
	end := run(t, s)
	want := strings.Repeat("<iq>x</iq>", n)
	got := make([]byte, len(want))
	if _, err := io.ReadFull(peer, got); err != nil || string(got) != want {
		t.Fatalf("the peer got %d bytes that differ: %v", len(got), err)
	}
	go func() {
		rest, _ := io.ReadAll(io.LimitReader(peer, int64(len(closing))))
		if string(rest) != closing {
			t.Errorf("at the end: %q", rest)
		}
		peer.Close()
	}()
	go s.Read()
	if err := end(); err != nil {
		t.Errorf("Run: %v", err)
	}
	if err := s.Send([]byte("<iq/>")); err != ErrClosed {
		t.Errorf("Send after the end: %v", err)
	}
}

func TestQueueFull(t *testing.T) {
	s, _ := open(t, header, Options{Queue: 1000})
	stanza := bytes.Repeat([]byte("x"), 400)
	for i, want := range []error{nil, nil, ErrFull} {
		if err := s.Send(stanza); err != want {
			t.Errorf("Send %d: %v, want %v", i, err, want)
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	if err := s.SendCtx(ctx, stanza); !errors.Is(err, ErrFull) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("SendCtx: %v", err)
	}
	for range 3 {
		if err := s.Reply(stanza); err != nil {
			t.Errorf("Reply within the reserve: %v", err)
		}
	}
	if err := s.Send(make([]byte, MaxStanza+1)); err != ErrTooLarge {
		t.Errorf("Send of a stanza too large: %v", err)
	}
	if err := s.Reply(stanza); err != ErrFull {
		t.Errorf("Reply beyond the reserve: %v", err)
	}
	<-s.Done()
	if err := run(t, s)(); err != ErrFull {
		t.Errorf("Run: %v, want %v", err, ErrFull)
	}
}

func TestSendCtxGoesOnWhenThereIsRoom(t *testing.T) {
	s, peer := open(t, header, Options{Queue: 100})
	stanza := bytes.Repeat([]byte("x"), 80)
	run(t, s)
	go io.Copy(io.Discard, peer)
	for range 1000 {
		if err := s.SendCtx(context.Background(), stanza); err != nil {
			t.Fatal(err)
		}
	}
}

func TestSlowPeer(t *testing.T) {
	s, _ := open(t, header, Options{Queue: 64 << 20, WriteTimeout: 50 * time.Millisecond})
	stanza := make([]byte, 200<<10)
	for range 100 {
		if err := s.Send(stanza); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	var timeout net.Error
	if err := s.Run(ctx); !errors.As(err, &timeout) || !timeout.Timeout() {
		t.Errorf("Run: %v, want a time-out", err)
	}
	if err := s.SendCtx(ctx, stanza); err == nil {
		t.Error("SendCtx after the connection is lost: no error")
	}
}

func TestEndIsQuickWithAPeerThatTakesNothing(t *testing.T) {
	s, _ := open(t, header, Options{Queue: 64 << 20})
	for range 100 {
		s.Send(make([]byte, 200<<10))
	}
	end := run(t, s)
	time.Sleep(20 * time.Millisecond)
	began := time.Now()
	end()
	if took := time.Since(began); took > 3*grace {
		t.Errorf("Run took %v to end", took)
	}
}

func TestTrace(t *testing.T) {
	var mu sync.Mutex
	var got []string
	s, peer := open(t, header, Options{Trace: func(sent bool, b []byte) {
		mu.Lock()
		defer mu.Unlock()
		if sent {
			got = append(got, "> "+string(b))
		} else {
			got = append(got, "< "+string(b))
		}
	}})
	run(t, s)
	io.WriteString(peer, " <iq  id='1'/>\n")
	s.Read()
	s.Send([]byte("<iq "), []byte("id='2'/>"))
	mu.Lock()
	defer mu.Unlock()
	if want := "< <iq  id='1'/>|> <iq id='2'/>"; strings.Join(got, "|") != want {
		t.Errorf("traced %q, want %q", strings.Join(got, "|"), want)
	}
}

func FuzzRead(f *testing.F) {
	for _, s := range []string{"<iq id='1'><query xmlns='x'>t</query></iq>", "<message>&amp;<![CDATA[x]]></message>", "<a:b/>", "</stream:stream>"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, in string) {
		c := NewConn(&fixed{r: strings.NewReader(header + in)})
		d := xml.NewDecoder(c)
		for {
			if tok, err := d.Token(); err != nil {
				t.Fatal(err)
			} else if _, ok := tok.(xml.StartElement); ok {
				break
			}
		}
		s, err := New(c, Options{})
		if err != nil {
			t.Fatal(err)
		}
		for {
			e, err := s.Read()
			if err != nil {
				return
			}
			if !bytes.HasPrefix(s.Raw(), []byte("<")) || !bytes.HasSuffix(s.Raw(), []byte(">")) {
				t.Fatalf("raw stanza %q of %+v", s.Raw(), e)
			}
		}
	})
}

// fixed is a connection from which fixed bytes come.
type fixed struct {
	net.Conn
	r io.Reader
}

func (f *fixed) Read(p []byte) (int, error) { return f.r.Read(p) }

func BenchmarkRead(b *testing.B) {
	small := []byte("<iq from='client@example.org/abc' to='hub@example.org/hub-123' id='0123456789abcdef' type='get'><req xmlns='urn:nf:iot:sd:1.0' seqnr='12' momentary='true'><nd id='Gateway/Unit1'/></req></iq>")
	b.SetBytes(int64(len(small)))
	c := NewConn(&fixed{r: io.MultiReader(strings.NewReader(header), &repeat{b: small})})
	d := xml.NewDecoder(c)
	for range 2 {
		d.Token()
	}
	s, err := New(c, Options{})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Read(); err != nil {
			b.Fatal(err)
		}
	}
}

type repeat struct {
	b   []byte
	off int
}

func (r *repeat) Read(p []byte) (int, error) {
	n := 0
	for n < len(p) {
		k := copy(p[n:], r.b[r.off:])
		n += k
		r.off = (r.off + k) % len(r.b)
	}
	return n, nil
}

func BenchmarkSend(b *testing.B) {
	s, peer := open(b, header, Options{})
	run(b, s)
	go io.Copy(io.Discard, peer)
	head, tail := []byte("<iq to='client@example.org/abc' id='0123456789abcdef' type='result'>"), []byte("</iq>")
	payload := bytes.Repeat([]byte("x"), 1000)
	b.SetBytes(int64(len(head) + len(payload) + len(tail)))
	b.ReportAllocs()
	for b.Loop() {
		if err := s.SendCtx(context.Background(), head, payload, tail); err != nil {
			b.Fatal(err)
		}
	}
}
