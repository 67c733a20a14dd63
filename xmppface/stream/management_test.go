package stream

import (
	"encoding/xml"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// hears returns what the peer's side hears until a text has come.
func hears(t *testing.T, peer net.Conn, until string) string {
	t.Helper()
	peer.SetReadDeadline(time.Now().Add(5 * time.Second))
	var heard strings.Builder
	b := make([]byte, 1)
	for !strings.HasSuffix(heard.String(), until) {
		if _, err := io.ReadFull(peer, b); err != nil {
			t.Fatalf("%v; heard %.300s", err, heard.String())
		}
		heard.Write(b)
	}
	return heard.String()
}

// again makes another connection with an opened stream.
func again(t *testing.T) (*Conn, net.Conn) {
	t.Helper()
	s, peer := open(t, header, Options{})
	return s.c, peer
}

const ask = "<r xmlns='urn:xmpp:sm:3'/>"

func TestResume(t *testing.T) {
	s, peer := open(t, header, Options{})
	s.Manage("id")
	written := make(chan error, 1)
	go func() { written <- s.Run(t.Context()) }()
	for i := range 5 {
		s.Send(fmt.Appendf(nil, "<message id='%d'/>", i))
	}
	hears(t, peer, "<message id='4'/>")
	// Two of three stanzas come before the connection is cut; one question does.
	io.WriteString(peer, "<iq type='get'/><message/>"+ask+"<a xmlns='urn:xmpp:sm:3' h='2'/><presence")
	for range 2 {
		if _, err := s.Read(); err != nil {
			t.Fatal(err)
		}
	}
	read := make(chan error, 1)
	go func() { _, err := s.Read(); read <- err }()
	hears(t, peer, "<a xmlns='urn:xmpp:sm:3' h='2'/>")
	peer.Close()
	if err := <-read; err == nil || s.Lost() == nil {
		t.Fatalf("read %v, lost %v", err, s.Lost())
	}
	if err := <-written; err == nil {
		t.Error("Run returned nil")
	}
	if err := s.Send([]byte("<message id='5'/>")); err != nil {
		t.Errorf("a stanza while the connection is away: %v", err)
	}
	if id, h := s.Resumption(); id != "id" || h != 2 {
		t.Errorf("resumption %s, %d", id, h)
	}
	c, peer := again(t)
	if err := s.Resume(c, 3); err != nil {
		t.Fatal(err)
	}
	end := run(t, s)
	if got := hears(t, peer, "<message id='5'/>"); got != "<message id='3'/><message id='4'/><message id='5'/>" {
		t.Errorf("written again: %s", got)
	}
	if err := end(); err != nil {
		t.Error(err)
	}
	if got := hears(t, peer, closing); got != "<a xmlns='urn:xmpp:sm:3' h='2'/>"+closing {
		t.Errorf("at the end: %s", got)
	}
}

// TestAsks: the peer is asked when enough is outstanding, once until it answers.
func TestAsks(t *testing.T) {
	s, peer := open(t, header, Options{})
	s.Manage("id")
	run(t, s)
	go func() {
		for {
			if _, err := s.Read(); err != nil {
				return
			}
		}
	}()
	t.Cleanup(func() { peer.Close() })
	for range 3 * askStanzas {
		s.Send([]byte("<message/>"))
	}
	s.Send([]byte("<message id='last'/>"))
	if got := hears(t, peer, "<message id='last'/>"); strings.Count(got, ask) > 1 {
		t.Errorf("asked %d times", strings.Count(got, ask))
	}
	io.WriteString(peer, "<a xmlns='urn:xmpp:sm:3' h='150'/>")
	deadline := time.Now().Add(5 * time.Second)
	for left := 1; left != 0 && time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		s.mu.Lock()
		left = s.m.count - (3*askStanzas + 1 - 150)
		s.mu.Unlock()
		if left == 0 {
			return
		}
	}
	t.Error("the acknowledgement was not taken")
}

// TestWindow: to a peer that acknowledges nothing only so much is written; what is
// sent then fills the queue.
func TestWindow(t *testing.T) {
	s, peer := open(t, header, Options{Queue: 100 << 10})
	s.Manage("id")
	run(t, s)
	total := make(chan int64, 1)
	go func() {
		n, _ := io.Copy(io.Discard, peer)
		total <- n
	}()
	stanza := []byte("<message>" + strings.Repeat("x", 10<<10) + "</message>")
	deadline := time.Now().Add(300 * time.Millisecond)
	sent := 0
	for time.Now().Before(deadline) {
		if s.Send(stanza) == nil {
			sent++
		} else {
			time.Sleep(time.Millisecond)
		}
	}
	if size := sent * len(stanza); size < window || size > window+300<<10 {
		t.Errorf("%d bytes were taken", size)
	}
	s.mu.Lock()
	if s.m.asked.IsZero() {
		t.Error("the peer was not asked")
	}
	s.mu.Unlock()
	s.Abort(ErrClosed)
	if n := <-total; n > window+200<<10 {
		t.Errorf("%d bytes were written", n)
	}
}

func TestWrongAcknowledgement(t *testing.T) {
	for _, h := range []string{"2", "-1", "x", "4294967295", "99999999999"} {
		s, peer := open(t, header, Options{})
		s.Manage("id")
		run(t, s)
		s.Send([]byte("<message/>"))
		hears(t, peer, "<message/>")
		io.WriteString(peer, "<a xmlns='urn:xmpp:sm:3' h='"+h+"'/>")
		if _, err := s.Read(); err == nil || s.Lost() != nil {
			t.Errorf("%s: %v, lost %v", h, err, s.Lost())
		}
	}
}

func TestAcknowledgedOverflows(t *testing.T) {
	s, peer := open(t, header, Options{})
	s.Manage("id")
	s.m.acked = 1<<32 - 2
	run(t, s)
	for range 4 {
		s.Send([]byte("<message/>"))
	}
	s.Send([]byte("<iq/>"))
	hears(t, peer, "<iq/>")
	io.WriteString(peer, "<a xmlns='urn:xmpp:sm:3' h='1'/><iq/>")
	if _, err := s.Read(); err != nil {
		t.Fatal(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.m.count != 2 || s.m.size != len("<message/><iq/>") {
		t.Errorf("%d stanzas of %d bytes remain", s.m.count, s.m.size)
	}
}

// BenchmarkSendManaged is BenchmarkSend with stream management, whose peer answers.
func BenchmarkSendManaged(b *testing.B) {
	s, peer := open(b, header, Options{})
	s.Manage("id")
	run(b, s)
	go func() {
		for {
			if _, err := s.Read(); err != nil {
				return
			}
		}
	}()
	go func() {
		d := xml.NewDecoder(peer)
		h := 0
		for {
			tok, err := d.RawToken()
			if err != nil {
				return
			}
			if e, ok := tok.(xml.StartElement); ok {
				if e.Name.Local == "r" {
					fmt.Fprintf(peer, "<a xmlns='urn:xmpp:sm:3' h='%d'/>", h)
				} else {
					h++
				}
			}
		}
	}()
	b.Cleanup(func() { peer.Close() })
	stanza := []byte("<message/>")
	b.ReportAllocs()
	for b.Loop() {
		if err := s.SendCtx(b.Context(), stanza); err != nil {
			b.Fatal(err)
		}
	}
}
