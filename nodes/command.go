package nodes

import "context"

// CommandKind is how a command is run.
type CommandKind uint8

// The kinds of commands.
const (
	Simple       CommandKind = iota + 1 // without parameters
	Parametrized                        // with parameters, without a result beyond success
	Query                               // with or without parameters; streams what it finds
)

// Command describes what can be done with nodes of a type, beside reading and
// setting.
type Command struct {
	ID           string // stable, in the style of the published clients: ScanUnits
	Kind         CommandKind
	Title        string // what a person reads: "Scan for units"
	Description  string // what it does and what it costs; for tables and help
	Category     string // groups commands in menus; empty: ""
	SortKey      string // orders them within their category; empty: the title
	Confirmation string // asked before it is run; empty: nothing is asked
	Success      string // said afterwards; empty: nothing
	Failure      string // said before the reason, when it failed
	Params       []Param
	Rights       Rights // needed beside See; zero means Configure
}

// Commander is a device whose types announce [Type.Commands].
type Commander interface {
	// Execute runs a simple or parametrized command on a node of the device and
	// returns when it is done. The parameters were checked and have their defaults.
	Execute(ctx context.Context, node, command string, p Params) error
	// Query runs a query and hands over what it finds, in order, from its own
	// goroutine, until it is done, ctx ends (it was aborted), or put returns an
	// error, which Query returns. put may block while the receiver is slow.
	Query(ctx context.Context, node, command string, p Params, put Put) error
}

// Put takes one finding of a query, which the receiver may keep: it is not changed
// afterwards. Its error says that nobody wants more.
type Put func(Finding) error

// Finding is a piece of a query's result: one of [QueryTitle], [QueryStatus],
// [Section], [SectionEnd], [Table], [Rows], [TableEnd], [Object] and [Remark]. That
// a query began, ended or was aborted is said by whoever runs it.
type Finding interface{ finding() }

// QueryTitle is the title of the result.
type QueryTitle string

// QueryStatus says what the query is doing: "unit 12 of 247".
type QueryStatus string

// Section opens a section with a header; sections nest.
type Section string

// SectionEnd closes the innermost section.
type SectionEnd struct{}

// Table opens a table.
type Table struct {
	ID      string // unique within the query
	Name    string
	Columns []Column
}

// Column is a column of a [Table].
type Column struct {
	ID       string
	Header   string // empty: the id
	Source   string // data source, when the cells are ids of its nodes
	Align    Align
	Decimals int8 // of numbers; 0 leaves them as they are
}

// Align is how the cells of a column are set.
type Align uint8

// The alignments.
const (
	AlignLeft Align = iota
	AlignCenter
	AlignRight
)

// Rows are rows of an open table. A zero Value is an empty cell.
type Rows struct {
	Table string
	Rows  [][]Value
}

// TableEnd says that a table, named by its id, is complete.
type TableEnd string

// Object is a file, an image or a text.
type Object struct {
	ContentType string // a media type: text/csv
	Name        string // of the file it may be saved as; may be empty
	Data        []byte
}

// Remark is a message of the query itself.
type Remark struct {
	Severity Severity
	Text     string
}

func (QueryTitle) finding()  {}
func (QueryStatus) finding() {}
func (Section) finding()     {}
func (SectionEnd) finding()  {}
func (Table) finding()       {}
func (Rows) finding()        {}
func (TableEnd) finding()    {}
func (Object) finding()      {}
func (Remark) finding()      {}
