package modbus

import (
	"strings"
	"unicode"
)

// What a column of a register list may hold beside the parameters of
// [TypeRegister], whose ids name the others.
const (
	nameColumn        = "Name"
	descriptionColumn = "description" // the name, where there is no other
	placeColumn       = "address"     // in any notation
	hexColumn         = "hexadecimal address"
	functionColumn    = "function" // with which it is read; else as Table
	sizeColumn        = "size"     // in registers, bytes or bits, as the header or the type says
	wordOrderColumn   = "word order"
)

// columnWords are the headers of register lists, as [headerWord] makes them, and
// what such a column holds. The ids of parameters are headers, too.
var columnWords = func() map[string]string {
	words := map[string]string{
		nameColumn:        "name tag tagname registername parameter parametername signal signalname variable variablename point pointname datapoint item key bezeichnung messwert",
		descriptionColumn: "description registerdescription meaning function/description text label comment beschreibung",
		placeColumn: "address addr register registeraddress registeraddr registerno registernumber reg regaddr startaddress startingaddress startregister start modbusaddress " +
			"modbusregister dataaddress decimaladdress addressdec addressdecimal registeraddressdec addressrange adresse registeradresse",
		hexColumn:       "addresshex hexaddress registerhex addresshexadecimal registeraddresshex hex",
		functionColumn:  "function functioncode fc fn fct modbusfunction functionmodbus readfunction readfunctioncode funktion funktionscode",
		"Table":         "table registertype regtype objecttype memoryarea area memory space kind modbustype registerkind tabelle registerart",
		"Reference":     "reference plcaddress modiconaddress",
		"Type":          "type datatype dataformat format datentyp typ vartype variabletype valuetype encoding representation",
		"ByteOrder":     "byteorder endian endianness endianess order byteswap byteorderwordorder reihenfolge",
		wordOrderColumn: "wordorder wordswap registerorder wordendian",
		"Bit":           "bit bitno bitnumber bitposition bitoffset",
		"Bits":          "bits bitcount bitlength",
		"Length":        "stringlength",
		sizeColumn:      "length len size bytes quantity qty count words registers registercount numberofregisters noofregisters nrofregisters numregisters regs wordcount anzahl",
		"Scale":         "scale factor gain multiplier scaling scalefactor scalingfactor multiplication resolution faktor skalierung coefficient slope",
		"Divisor":       "divisor divider division divideby",
		"Offset":        "offset valueoffset addend bias intercept",
		"Unit":          "unit units uom engineeringunit engineeringunits eu measurementunit einheit",
		"Decimals":      "decimals decimalplaces decimaldigits nachkommastellen",
		"Options":       "options choices enum enumeration enumvalues valuemap states",
		"NotAvailable":  "notavailable na invalid invalidvalue invalidvalues sentinel novalue",
		"Writable":      "writable writeable access accesstype accessmode accessright accessrights rw readwrite permission permissions mode attribute zugriff schreibbar",
		"ReadBack":      "readback verify",
		"Tolerance":     "tolerance",
		"WriteFunction": "writefunction",
		"WriteMin":      "writemin leastvalue",
		"WriteMax":      "writemax greatestvalue",
		"PollInterval":  "pollinterval interval pollrate pollingrate pollinginterval scanrate scaninterval period cycle cycletime refresh refreshrate updaterate abfrageintervall",
		"AddressBase":   "base firstaddress",
	}
	out := make(map[string]string)
	for column, list := range words {
		for w := range strings.FieldsSeq(list) {
			out[headerWord(w)] = column
		}
	}
	for _, p := range registerParams() {
		if _, taken := out[headerWord(p.ID)]; !taken {
			out[headerWord(p.ID)] = p.ID
		}
	}
	return out
}()

// headerWord leaves letters and digits of a header, in lower case.
func headerWord(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return unicode.ToLower(r)
		}
		return -1
	}, s)
}

// columnOf returns what a column with that header holds, and the unit of its
// numbers when the header names one: "Poll interval (ms)". Empty: not known.
func columnOf(header string) (column, unit string) {
	if c := columnWords[headerWord(header)]; c != "" {
		return c, sizeUnit(c, headerWord(header))
	}
	head, tail, ok := strings.Cut(header, "(")
	if !ok {
		head, tail, ok = strings.Cut(header, "[")
	}
	if !ok {
		i := strings.LastIndexAny(header, " _")
		if i < 0 {
			return "", ""
		}
		head, tail = header[:i], header[i+1:]
		if t := headerWord(tail); t != "ms" && t != "s" && t != "hex" && t != "dec" {
			return "", ""
		}
	}
	c := columnWords[headerWord(head)]
	switch t := headerWord(tail); {
	case c == placeColumn && (strings.HasPrefix(t, "hex") || t == "h"):
		return hexColumn, ""
	case c == "PollInterval" && (t == "ms" || strings.HasPrefix(t, "milli")):
		return c, "ms"
	case c == "PollInterval" && (t == "s" || strings.HasPrefix(t, "sec")):
		return c, "s"
	}
	return c, sizeUnit(c, headerWord(tail))
}

// sizeUnit returns what a size is counted in, as far as its header says.
func sizeUnit(column, word string) string {
	switch {
	case column != sizeColumn || word == "length" || word == "len" || word == "size":
		return ""
	case strings.HasPrefix(word, "byte"):
		return "bytes"
	case strings.HasPrefix(word, "bit"):
		return "bits"
	}
	return "registers"
}
