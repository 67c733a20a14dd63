package modbustest

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"go.uber.org/goleak"

	"github.com/fieldhub/hub/adapters/modbus/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// run runs a line until the test ends and returns its path.
func run(t *testing.T, l *Line) string {
	t.Helper()
	path, err := l.Open()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- l.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("line: %v", err)
		}
		if _, err := os.Lstat(path); err == nil {
			t.Errorf("%s is still there", path)
		}
	})
	return path
}

// open opens the port at a baud rate.
func open(t *testing.T, path string, baud int) *os.File {
	t.Helper()
	fd, err := syscall.Open(path, syscall.O_RDWR|syscall.O_NOCTTY|syscall.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	f := os.NewFile(uintptr(fd), path)
	t.Cleanup(func() { f.Close() })
	var s termios2
	if err := ioctl(fd, tcgets2, unsafe.Pointer(&s)); err != nil {
		t.Fatal(err)
	}
	s.cflag = s.cflag&^0x100f | 0x1000 // CBAUD: any rate
	s.ispeed, s.ospeed = uint32(baud), uint32(baud)
	if err := ioctl(fd, tcsets2, unsafe.Pointer(&s)); err != nil {
		t.Fatal(err)
	}
	return f
}

// frame returns a frame with its CRC.
func frame(text string) []byte {
	b, err := hex.DecodeString(strings.ReplaceAll(text, " ", ""))
	if err != nil {
		panic(err)
	}
	return append(b, byte(crc16(b)), byte(crc16(b)>>8))
}

// ask sends a request and returns what comes within d, at most n bytes.
func ask(t *testing.T, f *os.File, request []byte, n int, d time.Duration) []byte {
	t.Helper()
	if _, err := f.Write(request); err != nil {
		t.Fatal(err)
	}
	return hear(f, n, d)
}

func hear(f *os.File, n int, d time.Duration) []byte {
	f.SetReadDeadline(time.Now().Add(d))
	b := make([]byte, n)
	got, _ := io.ReadFull(f, b)
	return b[:got]
}

// The example of MSL 6.2.2, a frame that every manual shows, and nothing at all.
func TestCRC(t *testing.T) {
	for _, tt := range []struct {
		data string
		want uint16
	}{{"0207", 0x1241}, {"010300000002", 0x0bc4}, {"", 0xffff}} {
		b, _ := hex.DecodeString(tt.data)
		if got := crc16(b); got != tt.want {
			t.Errorf("CRC of %s: got %04x, want %04x", tt.data, got, tt.want)
		}
	}
}

func TestLineAnswers(t *testing.T) {
	l := NewLine(0)
	u := l.Unit(7)
	u.SetWords(wire.HoldingRegister, 0, 1, 2, 3)
	u.SetBits(wire.Coil, 0, true, false, true)
	f := open(t, run(t, l), 9600)
	for _, tt := range []struct{ name, request, want string }{
		{"registers", "07 03 0000 0003", "07 03 06 0001 0002 0003"},
		{"coils", "07 01 0000 0003", "07 01 01 05"},
		{"exception", "07 03 ffff 0002", "07 83 02"},
		{"write a coil", "07 05 0001 ff00", "07 05 0001 ff00"},
		{"write a register", "07 06 0009 1234", "07 06 0009 1234"},
		{"write coils", "07 0f 0010 0003 01 05", "07 0f 0010 0003"},
		{"write registers", "07 10 0020 0002 04 00070008", "07 10 0020 0002"},
		{"mask", "07 16 0009 00ff 5600", "07 16 0009 00ff 5600"},
		{"masked", "07 03 0009 0001", "07 03 02 5634"},
		{"write and read", "07 17 0020 0002 0020 0001 02 0009", "07 17 04 0009 0008"},
		{"unknown function", "07 64", "07 e4 01"},
		{"server id", "07 11", "07 91 01"},
	} {
		want := frame(tt.want)
		if got := ask(t, f, frame(tt.request), len(want), time.Second); !bytes.Equal(got, want) {
			t.Errorf("%s: got % x, want % x", tt.name, got, want)
		}
	}
	writes := u.Writes()
	if len(writes) != 6 || writes[4].Function != 22 || writes[4].And != 0xff || writes[4].Or != 0x5600 || writes[4].Words[0] != 0x5634 {
		t.Errorf("writes: got %+v", writes)
	}
	u.SetWords(wire.HoldingRegister, 0, 0)
	l.Unit(8)
	if got := ask(t, f, frame("00 06 0000 0042"), 1, 20*time.Millisecond); len(got) != 0 {
		t.Errorf("an answer to a broadcast: % x", got)
	}
	for _, id := range []byte{7, 8} {
		if got := l.Unit(id).Word(wire.HoldingRegister, 0); got != 0x42 {
			t.Errorf("unit %d after a broadcast: got %#x, want 0x42", id, got)
		}
	}
}

func TestIdentity(t *testing.T) {
	l := NewLine(0)
	l.Unit(1).Identify(Identity{ServerID: []byte("AB"), Running: true,
		Objects: map[byte]string{0: "Acme", 1: "M1", 2: "V1.0", 128: "own"}, PerAnswer: 2})
	f := open(t, run(t, l), 9600)
	for _, tt := range []struct{ name, request, want string }{
		{"server id", "01 11", "01 11 03 4142 ff"},
		{"basic", "01 2b 0e 01 00", "01 2b 0e 01 83 ff 02 02 00 04 41636d65 01 02 4d31"},
		{"the rest of it", "01 2b 0e 01 02", "01 2b 0e 01 83 00 00 01 02 04 56312e30"},
		{"extended from the third", "01 2b 0e 03 02", "01 2b 0e 03 83 00 00 02 02 04 56312e30 80 03 6f776e"},
		{"one", "01 2b 0e 04 80", "01 2b 0e 04 83 00 00 01 80 03 6f776e"},
		{"one that is not there", "01 2b 0e 04 05", "01 ab 02"},
		{"another kind", "01 2b 0e 05 00", "01 ab 03"},
	} {
		want := frame(tt.want)
		if got := ask(t, f, frame(tt.request), len(want), time.Second); !bytes.Equal(got, want) {
			t.Errorf("%s: got % x, want % x", tt.name, got, want)
		}
	}
}

// The line takes the time that the characters need, and no request comes through
// that a real line would lose.
func TestLineTiming(t *testing.T) {
	const baud = 9600
	l := NewLine(baud)
	l.Unit(1).SetWords(wire.HoldingRegister, 0, make([]uint16, 20)...)
	path := run(t, l)
	f := open(t, path, baud)
	request := frame("01 03 0000 0014")
	want := l.Exchange(8, 45) - l.silence // nothing was on the line before
	start := time.Now()
	if got := ask(t, f, request, 45, time.Second); len(got) != 45 {
		t.Fatalf("got % x", got)
	}
	if took := time.Since(start); took < want {
		t.Errorf("an exchange took %v, the characters take %v", took, want)
	}
	if got := ask(t, f, request, 45, 100*time.Millisecond); len(got) != 0 { // at once
		t.Errorf("a request without silence was answered: % x", got)
	}
	f.Write(request[:4])
	time.Sleep(4*l.char + l.silence + 3*tolerance)
	f.Write(request[4:])
	if got := hear(f, 45, 100*time.Millisecond); len(got) != 0 {
		t.Errorf("a request with a gap was answered: % x", got)
	}
	bad := append([]byte(nil), request...)
	bad[3] ^= 1
	if got := ask(t, f, bad, 45, 100*time.Millisecond); len(got) != 0 {
		t.Errorf("a request with a wrong CRC was answered: % x", got)
	}
	slow := open(t, path, 2400)
	if got := ask(t, slow, request, 45, 100*time.Millisecond); len(got) != 0 {
		t.Errorf("a request at another baud rate was answered: % x", got)
	}
	again := open(t, path, baud)
	if got := ask(t, again, request, 45, time.Second); len(got) != 45 {
		t.Errorf("afterwards: got % x", got)
	}
	if s := l.Stats(); s.Requests != 2 || s.Early != 1 || s.Broken < 2 || s.Mismatch != 1 || len(s.Idle) < 4 {
		t.Errorf("got %+v", s)
	}
}

func TestUnplug(t *testing.T) {
	l := NewLine(0)
	l.Unit(1)
	path := run(t, l)
	request := frame("01 01 0000 0001")
	for range 3 {
		f := open(t, path, 9600)
		if got := ask(t, f, request, 6, time.Second); len(got) != 6 {
			t.Fatalf("got % x", got)
		}
		l.Unplug()
		if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("after Unplug: %v", err)
		}
		f.SetReadDeadline(time.Now().Add(time.Second))
		if n, err := f.Read(make([]byte, 8)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("the open port: %d bytes, %v", n, err)
		}
		if err := l.Plug(); err != nil {
			t.Fatal(err)
		}
	}
}

// What each fault puts on a line.
func TestLineFaults(t *testing.T) {
	request, good := "01 03 0000 0001", "01 03 02 1234"
	for _, tt := range []struct {
		name  string
		fault Fault
		want  func(got []byte) bool
	}{
		{"silent", Fault{Silent: true}, func(got []byte) bool { return len(got) == 0 }},
		{"long", Fault{Long: true}, func(got []byte) bool { return bytes.Equal(got, frame("01 03 04 1234 0000")) }},
		{"short", Fault{Short: true}, func(got []byte) bool { return bytes.Equal(got, frame("01 03 00")) }},
		{"damaged", Fault{Damaged: true}, func(got []byte) bool { return len(got) == 7 && crc16(got) != 0 }},
		{"echo", Fault{Echo: true}, func(got []byte) bool { return bytes.Equal(got, append(frame(request), frame(good)...)) }},
		{"noise", Fault{Noise: 5}, func(got []byte) bool { return len(got) == 12 && bytes.Equal(got[5:], frame(good)) }},
		{"foreign", Fault{Foreign: true}, func(got []byte) bool {
			return len(got) == 8+9+7 && got[0] == 101 && got[8] == 101 && bytes.Equal(got[17:], frame(good))
		}},
		{"half", Fault{CloseMidFrame: true}, func(got []byte) bool { return bytes.Equal(got, frame(good)[:3]) }},
		{"split", Fault{Split: true}, func(got []byte) bool { return bytes.Equal(got, frame(good)) }},
		{"twice", Fault{Duplicate: true}, func(got []byte) bool { return bytes.Equal(got, append(frame(good), frame(good)...)) }},
		{"late", Fault{Delay: 20 * time.Millisecond}, func(got []byte) bool { return bytes.Equal(got, frame(good)) }},
		{"babble", Fault{Babble: true}, func(got []byte) bool { return len(got) == 100 }},
		{"exception", Fault{Exception: wire.DeviceBusy}, func(got []byte) bool { return bytes.Equal(got, frame("01 83 06")) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			l := NewLine(0)
			u := l.Unit(1)
			u.SetWords(wire.HoldingRegister, 0, 0x1234)
			f := open(t, run(t, l), 9600)
			u.SetFault(tt.fault)
			if got := ask(t, f, frame(request), 100, 250*time.Millisecond); !tt.want(got) {
				t.Errorf("got % x", got)
			}
			u.SetFault(Fault{})
			for range 5 { // what babbled until now may still be there
				time.Sleep(30 * time.Millisecond)
				hear(f, 1000, 10*time.Millisecond)
			}
			if got := ask(t, f, frame(request), 7, time.Second); !bytes.Equal(got, frame(good)) {
				t.Errorf("afterwards: got % x", got)
			}
		})
	}
}

// A held answer comes before that to the next request.
func TestHeld(t *testing.T) {
	l := NewLine(0)
	l.Unit(1).SetWords(wire.HoldingRegister, 0, 1)
	l.Unit(2).SetWords(wire.HoldingRegister, 0, 2)
	l.Unit(1).SetFault(Fault{Held: true, Times: 1})
	f := open(t, run(t, l), 9600)
	if got := ask(t, f, frame("01 03 0000 0001"), 7, 30*time.Millisecond); len(got) != 0 {
		t.Errorf("got % x", got)
	}
	want := append(frame("01 03 02 0001"), frame("02 03 02 0002")...)
	if got := ask(t, f, frame("02 03 0000 0001"), 14, time.Second); !bytes.Equal(got, want) {
		t.Errorf("got % x, want % x", got, want)
	}
}

// What is sent unasked comes between exchanges.
func TestSend(t *testing.T) {
	l := NewLine(0)
	l.Unit(1)
	f := open(t, run(t, l), 9600)
	strange := RTUFrame(9, 3, 0, 5, 0, 2)
	l.Bus.Send(strange)
	if got := hear(f, 8, time.Second); !bytes.Equal(got, strange) {
		t.Errorf("got % x, want % x", got, strange)
	}
	if got := ask(t, f, frame("01 01 0000 0001"), 6, time.Second); len(got) != 6 {
		t.Errorf("got % x", got)
	}
}

// A unit that needs a pause between requests.
func TestNeedPause(t *testing.T) {
	l := NewLine(0)
	l.Unit(1).NeedPause(50 * time.Millisecond)
	f := open(t, run(t, l), 9600)
	request := frame("01 01 0000 0001")
	if got := ask(t, f, request, 6, time.Second); len(got) != 6 {
		t.Errorf("the first: got % x", got)
	}
	if got := ask(t, f, request, 6, 20*time.Millisecond); len(got) != 0 {
		t.Errorf("too early: got % x", got)
	}
	time.Sleep(60 * time.Millisecond)
	if got := ask(t, f, request, 6, time.Second); len(got) != 6 {
		t.Errorf("after the pause: got % x", got)
	}
}

// Whatever comes, a slave takes only what is a frame for a request.
func FuzzFraming(f *testing.F) {
	f.Add(frame("07 03 0000 0003"))
	f.Add(frame("07 10 0020 0002 04 00070008"))
	f.Add(append(frame("07 64"), 1))
	f.Fuzz(func(t *testing.T, b []byte) {
		q, n, err := rtuFraming{}.next(b)
		if err != nil || n == 0 {
			return
		}
		if got := (rtuFraming{}).append(nil, q); !bytes.Equal(got, b[:n]) {
			t.Fatalf("% x came out as % x", b[:n], got)
		}
	})
}
