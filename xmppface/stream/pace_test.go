package stream

import (
	"context"
	"io"
	"strings"
	"testing"
	"time"
)

// TestPace: to a peer that takes 20 kB/s, little is on its way at a time, the rate is
// found, and Send, for answers, is not kept back.
func TestPace(t *testing.T) {
	s, peer := open(t, header, Options{})
	const mark = "<iq id='mark'/>"
	s.Measure([]byte(mark))
	run(t, s)
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	done := make(chan struct{})
	go func() {
		defer close(done)
		var tail string
		b := make([]byte, 400)
		for {
			n, err := peer.Read(b)
			if err != nil {
				return
			}
			tail += string(b[:n])
			for {
				_, after, ok := strings.Cut(tail, mark)
				if !ok {
					break
				}
				tail = after
				s.Answered()
			}
			tail = tail[max(0, len(tail)-len(mark)):]
			time.Sleep(time.Duration(n) * time.Second / 20000)
		}
	}()
	stanza := []byte("<message>" + strings.Repeat("x", 500) + "</message>")
	sent := 0
	for ctx.Err() == nil {
		if s.SendCtx(ctx, stanza) == nil {
			sent += len(stanza)
		}
	}
	p := s.Pace()
	if !p.Slow || p.Rate < 5e3 || p.Rate > 40e3 || p.Lag > 3*time.Second {
		t.Errorf("pace %+v", p)
	}
	if sent > 150e3 {
		t.Errorf("%d bytes were taken in 3 s", sent)
	}
	for range 100 {
		if err := s.Send(stanza); err != nil {
			t.Fatalf("an answer: %v", err)
		}
	}
	peer.Close()
	<-done
}

// TestPaceOfQuickPeer: the window opens, so that nothing is kept back.
func TestPaceOfQuickPeer(t *testing.T) {
	s, peer := open(t, header, Options{})
	s.Measure([]byte("<r/>"))
	run(t, s)
	done := make(chan struct{})
	go func() {
		defer close(done)
		b := make([]byte, 64<<10)
		tail := ""
		for {
			n, err := peer.Read(b)
			if err != nil {
				return
			}
			tail += string(b[:n])
			if strings.Contains(tail, "<r/>") {
				s.Answered()
				tail = ""
			}
			tail = tail[max(0, len(tail)-3):]
		}
	}()
	stanza := []byte("<message>" + strings.Repeat("x", 5000) + "</message>")
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for range 1000 {
		if err := s.SendCtx(ctx, stanza); err != nil {
			t.Fatal(err)
		}
	}
	if p := s.Pace(); p.Slow {
		t.Errorf("pace %+v", p)
	}
	peer.Close()
	<-done
}

// TestPaceWithoutAnswers: a peer that never answers the mark is not waited for, for
// ever.
func TestPaceWithoutAnswers(t *testing.T) {
	s, peer := open(t, header, Options{})
	s.Measure([]byte("<r/>"))
	run(t, s)
	go io.Copy(io.Discard, peer)
	stanza := []byte("<message>" + strings.Repeat("x", 1000) + "</message>")
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	for s.SendCtx(ctx, stanza) == nil {
	}
	if ctx.Err() == nil {
		t.Fatal("not kept back")
	}
	s.mu.Lock()
	s.p.at = time.Now().Add(-longestWait - time.Minute)
	s.mu.Unlock()
	s.Pace()
	if err := s.SendCtx(t.Context(), stanza); err != nil {
		t.Error(err)
	}
	peer.Close()
}
