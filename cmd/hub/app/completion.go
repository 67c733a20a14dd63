package app

import (
	"context"
	_ "embed"
	"fmt"
	"strings"
	"time"
)

type completionCmd struct {
	Shell string `arg:"" enum:"bash,zsh,fish" help:"bash, zsh or fish."`
}

// What a shell runs to complete a command line of hub.
var (
	//go:embed completion.bash
	bashScript string
	//go:embed completion.zsh
	zshScript string
	//go:embed completion.fish
	fishScript string
)

// Run prints the script for a shell.
func (c *completionCmd) Run(p *program) error {
	script := map[string]string{"bash": bashScript, "zsh": zshScript, "fish": fishScript}[c.Shell]
	_, err := fmt.Fprint(p.out, script)
	return err
}

// completeCmd answers those scripts: a line that tells how to go on, empty, "nospace"
// (a candidate may go on) or "files" (file names belong here), and a line for each
// candidate. For zsh and fish a tab and what the candidate is follow.
type completeCmd struct {
	Shell  string   `arg:"" enum:"bash,zsh,fish"`
	Words  []string `arg:"" optional:"" help:"For bash the line up to the cursor, else the words behind the program's name, the last one up to the cursor."`
	Breaks string   `help:"COMP_WORDBREAKS of bash." default:" \t\n\"'@><=;|&(:"`
}

const (
	// hurry is how long completion may take; the person has pressed a key.
	hurry = 400 * time.Millisecond
	// mostCandidates is how many a shell is given.
	mostCandidates = 2000
)

// Run never fails: where there is nothing to say, it says nothing.
func (c *completeCmd) Run(p *program) error {
	ctx, cancel := context.WithTimeout(p.ctx, hurry)
	defer cancel()
	hasty, options := *p, *p.options
	hasty.ctx, hasty.options = ctx, &options
	options.Timeout = hurry
	var last word
	words := c.Words
	if c.Shell == "bash" {
		line := strings.Join(words, " ")
		var all []word
		all, last = shellWords(line)
		words = nil
		for _, w := range all[min(len(all), 1):] { // behind the program's name
			words = append(words, w.text)
		}
	} else if n := len(words); n > 0 {
		_, last = shellWords(words[n-1])
		if last.raw != words[n-1] { // spaces that the shell has seen as part of the word
			last = word{text: words[n-1], raw: words[n-1]}
		}
		words = words[:n-1]
	}
	x := &completion{p: &hasty, model: p.model}
	x.complete(words, last.text)
	x.end()
	var b strings.Builder
	b.WriteString(x.directive() + "\n")
	for _, k := range x.found[:min(len(x.found), mostCandidates)] {
		text := oneLine(k.text)
		if text != k.text {
			continue // a name that no shell can be given
		}
		switch {
		case c.Shell == "bash":
			b.WriteString(last.completed(text, c.Breaks) + "\n")
		case k.about == "":
			b.WriteString(text + "\n")
		default:
			b.WriteString(text + "\t" + oneLine(k.about) + "\n")
		}
	}
	_, err := fmt.Fprint(p.out, b.String())
	return err
}
