package cli

import (
	"fmt"
	"io"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
)

// column is one column of a grid.
type column struct {
	title string
	// least, where not 0, lets a narrow terminal shorten the cells down to that many columns.
	least int
	// wrap continues long cells on further lines instead of shortening them.
	wrap bool
	// drop, where not 0, lets a narrow terminal leave the column out; the highest number goes first.
	drop int
	// right aligns numbers.
	right bool
	// color gives the colour for a cell.
	color func(cell string) string
}

// grid is a table for people on a terminal and for programs in a pipe. Cells
// may hold anything; they are cleaned when printed.
type grid struct {
	columns []column
	rows    [][]string
}

func (g *grid) add(cells ...string) { g.rows = append(g.rows, cells) }

// gap is the space between two columns.
const gap = 2

// print writes the grid to w in the way that fits the screen.
func (g *grid) print(w io.Writer, s screen) {
	for _, row := range g.rows {
		for i := range row {
			row[i] = clean(row[i])
		}
	}
	if !s.tty {
		g.printPlain(w)
		return
	}
	columns, _ := s.size()
	g.printTable(w, s, columns)
}

// printPlain writes tab-separated text with a header.
func (g *grid) printPlain(w io.Writer) {
	titles := make([]string, len(g.columns))
	for i, c := range g.columns {
		titles[i] = c.title
	}
	fmt.Fprintln(w, strings.Join(titles, "\t"))
	for _, row := range g.rows {
		fmt.Fprintln(w, strings.Join(row, "\t"))
	}
}

func (g *grid) printTable(w io.Writer, s screen, width int) {
	t := table.NewWriter()
	t.SetOutputMirror(w)
	t.SetStyle(plainStyle())
	t.SuppressTrailingSpaces()
	widths := g.fit(width)
	var (
		header  table.Row
		configs []table.ColumnConfig
	)
	for i, c := range g.columns {
		if widths[i] < 0 {
			continue
		}
		header = append(header, s.paint(bold, text.Snip(c.title, widths[i], "…")))
		config := table.ColumnConfig{Number: len(header)}
		if c.right {
			config.Align, config.AlignHeader = text.AlignRight, text.AlignRight
		}
		configs = append(configs, config)
	}
	t.AppendHeader(header)
	t.SetColumnConfigs(configs)
	for _, row := range g.rows {
		var cells table.Row
		for i, cell := range row {
			if widths[i] < 0 {
				continue
			}
			cells = append(cells, g.columns[i].cell(cell, widths[i], s))
		}
		t.AppendRow(cells)
	}
	t.Render()
}

// cell is a cleaned cell within a width, in its colour.
func (c *column) cell(cell string, width int, s screen) string {
	if c.wrap {
		return text.WrapSoft(cell, width)
	}
	shown := text.Snip(cell, width, "…")
	if c.color != nil {
		shown = s.paint(c.color(cell), shown)
	}
	return shown
}

func plainStyle() table.Style {
	style := table.StyleDefault
	style.Options = table.OptionsNoBordersAndSeparators
	style.Box.PaddingLeft, style.Box.PaddingRight = "", strings.Repeat(" ", gap)
	style.Format.Header = text.FormatDefault
	return style
}

// fit answers the width of each column within a terminal that is so wide; -1
// means left out. First the columns that may go do, while the others do not fit
// at a comfortable width; then the widest that may be shortened is, again and again.
func (g *grid) fit(terminal int) []int {
	widths := g.natural()
	for {
		worst := -1
		for i, c := range g.columns {
			if widths[i] >= 0 && c.drop > 0 && (worst < 0 || c.drop > g.columns[worst].drop) {
				worst = i
			}
		}
		if worst < 0 || g.total(widths, comfortable) <= terminal {
			break
		}
		widths[worst] = -1
	}
	for g.total(widths, 1<<30) > terminal {
		widest := -1
		for i, c := range g.columns {
			if c.least > 0 && widths[i] > c.least && (widest < 0 || widths[i] > widths[widest]) {
				widest = i
			}
		}
		if widest < 0 {
			break
		}
		widths[widest]--
	}
	return widths
}

// comfortable is how much of a column that may be shortened should be seen
// before other columns are left out for it.
const comfortable = 20

func (g *grid) natural() []int {
	widths := make([]int, len(g.columns))
	for i, c := range g.columns {
		widths[i] = text.StringWidth(c.title)
		for _, row := range g.rows {
			widths[i] = max(widths[i], text.StringWidth(row[i]))
		}
	}
	return widths
}

// total is the width of the line, with columns that may be shortened counted up to most.
func (g *grid) total(widths []int, most int) int {
	sum := -gap
	for i, w := range widths {
		if w < 0 {
			continue
		}
		if g.columns[i].least > 0 {
			w = min(w, max(most, g.columns[i].least))
		}
		sum += w + gap
	}
	return sum
}

// fact is one line of a description: a name and its value.
type fact struct{ name, value string }

// printFacts writes a description: aligned on a terminal, with a tab between in
// a pipe. Facts without a value are left out.
func (a *app) printFacts(facts []fact) {
	width := 0
	for _, f := range facts {
		if f.value != "" {
			width = max(width, len(f.name))
		}
	}
	for _, f := range facts {
		switch {
		case f.value == "":
		case a.screen.tty:
			label := fmt.Sprintf("%-*s", width+gap, f.name)
			fmt.Fprintln(a.out, a.screen.paint(faint, label)+indented(f.value, width+gap))
		default:
			fmt.Fprintln(a.out, f.name+"\t"+clean(f.value))
		}
	}
}

// indented cleans a text and puts its further lines below its first.
func indented(s string, columns int) string {
	return strings.ReplaceAll(cleanLines(s), "\n", "\n"+strings.Repeat(" ", columns))
}
