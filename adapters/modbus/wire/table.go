package wire

import "fmt"

// Table is one of the four data tables of a device (MAP 4.3).
type Table uint8

// The tables.
const (
	Coil            Table = iota + 1 // bits, read and write
	DiscreteInput                    // bits, read only
	InputRegister                    // 16 bit registers, read only
	HoldingRegister                  // 16 bit registers, read and write
)

// Tables are all tables.
var Tables = [...]Table{Coil, DiscreteInput, InputRegister, HoldingRegister}

// The limits of one read request (MAP 6.1 to 6.4).
const (
	MaxRegisters = 125
	MaxBits      = 2000
)

type tableInfo struct {
	name, one, many string
	read            byte // function code
	prefix          byte // of the 4xxxx notation
}

var tables = [...]tableInfo{
	{},
	{"coil", "coil", "coils", 1, '0'},
	{"discreteInput", "discrete input", "discrete inputs", 2, '1'},
	{"inputRegister", "input register", "input registers", 4, '3'},
	{"holdingRegister", "holding register", "holding registers", 3, '4'},
}

func (t Table) info() tableInfo {
	if int(t) < len(tables) {
		return tables[t]
	}
	return tableInfo{}
}

// ParseTable returns the table of that name.
func ParseTable(name string) (Table, bool) {
	for _, t := range Tables {
		if t.info().name == name {
			return t, true
		}
	}
	return 0, false
}

// TableOf returns the table that a function code reads.
func TableOf(function byte) (Table, bool) {
	for _, t := range Tables {
		if t.info().read == function {
			return t, true
		}
	}
	return 0, false
}

// String returns the name of the table in configurations: "holdingRegister".
func (t Table) String() string { return t.info().name }

// Bits tells whether the table holds bits, not registers.
func (t Table) Bits() bool { return t == Coil || t == DiscreteInput }

// Function returns the function code that reads the table.
func (t Table) Function() byte { return t.info().read }

// Limit returns how many bits or registers one request may read.
func (t Table) Limit() int {
	if t.Bits() {
		return MaxBits
	}
	return MaxRegisters
}

// AnswerBytes returns how many data bytes the answer to a read of n bits or
// registers holds.
func (t Table) AnswerBytes(n int) int {
	if t.Bits() {
		return (n + 7) / 8
	}
	return 2 * n
}

// Reference returns a zero-based address in the notation of the manuals, which
// counts from 1 behind a digit for the table: holding register 0 is 40001. From
// address 9999 on it has six digits: 410000.
func (t Table) Reference(address int) string {
	if address < 9999 {
		return fmt.Sprintf("%c%04d", t.info().prefix, address+1)
	}
	return fmt.Sprintf("%c%05d", t.info().prefix, address+1)
}

// Range names n addresses from first in words: "holding registers 0 to 9".
func (t Table) Range(first, n int) string {
	if n == 1 {
		return fmt.Sprintf("%s %d", t.info().one, first)
	}
	return fmt.Sprintf("%s %d to %d", t.info().many, first, first+n-1)
}
