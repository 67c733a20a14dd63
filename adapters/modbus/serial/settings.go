package serial

import (
	"fmt"
	"time"
)

// Parity is how characters are checked.
type Parity uint8

// The parities.
const (
	None Parity = iota
	Even
	Odd
	Mark
	Space
)

// ParityNames are the names of the parities in configurations, in their order.
var ParityNames = [...]string{"none", "even", "odd", "mark", "space"}

// Settings are those of a line. Comparable.
type Settings struct {
	Baud     int
	DataBits int // 7 or 8
	Parity   Parity
	StopBits int // 1 or 2
	RS485    RS485
}

// RS485 is the control of the direction by the kernel (Linux, serial-rs485): RTS
// switches the transmitter. The zero value leaves it alone: the adapter does it by
// itself.
type RS485 struct {
	On     bool
	Low    bool          // RTS is low, not high, while sending
	Before time.Duration // between RTS and the first bit; whole milliseconds
	After  time.Duration // between the last bit and RTS; whole milliseconds
}

// String returns the settings in short: "19200 baud 8E1".
func (s Settings) String() string {
	text := fmt.Sprintf("%d baud %d%c%d", s.Baud, s.DataBits, "NEOMS"[s.Parity], s.StopBits)
	if s.RS485.On {
		text += " RS-485"
	}
	return text
}

// bits is how many a character has on the wire.
func (s Settings) bits() int {
	n := 1 + s.DataBits + s.StopBits
	if s.Parity != None {
		n++
	}
	return n
}

// Characters is how long so many characters take.
func (s Settings) Characters(n int) time.Duration {
	return time.Duration(n*s.bits()) * time.Second / time.Duration(max(1, s.Baud))
}

// Silence is t3.5, the shortest silence between frames: 3.5 characters, and 1.75 ms
// above 19,200 baud (MSL 2.5.1.1).
func (s Settings) Silence() time.Duration {
	if s.Baud > 19200 {
		return 1750 * time.Microsecond
	}
	return s.Characters(7) / 2
}
