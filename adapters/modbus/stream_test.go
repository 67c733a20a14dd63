package modbus

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"syscall"
	"testing"
	"time"
)

func openStream(t *testing.T) (*stream, *os.File) {
	t.Helper()
	near, far := pair(t)
	s := &stream{}
	if err := s.open(near); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.close)
	return s, far
}

func TestStream(t *testing.T) {
	s, far := openStream(t)
	buf := make([]byte, 16)
	far.Write([]byte("early"))
	if n, err := s.waiting(buf); string(buf[:n]) != "early" || err != nil {
		t.Errorf("waiting: got %q, %v", buf[:n], err)
	}
	if n, err := s.waiting(buf); n != 0 || err != nil {
		t.Errorf("waiting for nothing: got %d, %v", n, err)
	}
	go func() {
		got := make([]byte, 16)
		n, _ := far.Read(got)
		far.Write(append(got[:n], '!'))
	}()
	if err := s.begin(t.Context(), time.Now().Add(5*time.Second)); err != nil {
		t.Fatal(err)
	}
	s.send([]byte("ask"))
	if n, err := s.receive(buf); string(buf[:n]) != "ask!" || err != nil {
		t.Errorf("receive: got %q, %v", buf[:n], err)
	}
	s.end()

	if err := s.begin(t.Context(), time.Now().Add(10*time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if _, err := s.receive(buf); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("after the deadline: %v", err)
	}
	s.end()

	far.Close()
	if err := s.begin(t.Context(), time.Now().Add(time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := s.waiting(buf); err != io.EOF {
		t.Errorf("waiting at the end: %v", err)
	}
	s.send([]byte("ask"))
	var unsent *sendError
	if _, err := s.receive(buf); !errors.As(err, &unsent) || !closed(err) {
		t.Errorf("sending to nobody: %v", err)
	}
	s.end()
}

// The end of a context ends the exchange under way with it, at once, and no other.
func TestStreamCut(t *testing.T) {
	s, far := openStream(t)
	buf := make([]byte, 16)
	for range 50 { // at any moment of the exchange
		ctx, cancel := context.WithCancel(t.Context())
		if err := s.begin(ctx, time.Now().Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
		go cancel()
		began := time.Now()
		if _, err := s.receive(buf); !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(began) > 10*time.Second {
			t.Fatalf("got %v after %v", err, time.Since(began))
		}
		s.end()
		if err := s.begin(ctx, time.Now().Add(time.Minute)); err != context.Canceled {
			t.Fatalf("with a context that has ended: %v", err)
		}
		s.end()
	}
	old, cancel := context.WithCancel(t.Context())
	if err := s.begin(old, time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	s.end()
	if err := s.begin(t.Context(), time.Now().Add(10*time.Second)); err != nil {
		t.Fatal(err)
	}
	cancel()
	go func() {
		time.Sleep(20 * time.Millisecond)
		far.Write([]byte("x"))
	}()
	if n, err := s.receive(buf); n != 1 || err != nil {
		t.Errorf("the end of an earlier context cut off: %d, %v", n, err)
	}
	s.end()
}

// What does not fit into the buffers of the system is sent when there is room.
func TestStreamWithoutRoom(t *testing.T) {
	s, far := openStream(t)
	filling := bytes.Repeat([]byte("f"), 4096)
	filled := 0
	if err := s.raw.Control(func(fd uintptr) {
		for err := error(nil); err == nil; {
			var n int
			n, err = again(syscall.Write, fd, filling)
			filled += n
		}
	}); err != nil {
		t.Fatal(err)
	}
	done := make(chan []byte, 1)
	go func() {
		time.Sleep(20 * time.Millisecond)
		got, want := make([]byte, 0, filled+3), filled+3
		for len(got) < want {
			n, err := far.Read(got[len(got):want])
			if err != nil {
				break
			}
			got = got[:len(got)+n]
		}
		far.Write([]byte("answer"))
		done <- got
	}()
	if err := s.begin(t.Context(), time.Now().Add(10*time.Second)); err != nil {
		t.Fatal(err)
	}
	s.send([]byte("ask"))
	buf := make([]byte, 16)
	if n, err := s.receive(buf); string(buf[:n]) != "answer" || err != nil {
		t.Errorf("got %q, %v", buf[:n], err)
	}
	s.end()
	if got := <-done; !bytes.HasSuffix(got, []byte("ask")) {
		t.Errorf("the peer got %d bytes, without the request", len(got))
	}
}
