// Command plot draws the growth study: one panel a figure, its value over the
// number of stored jobs, both on logarithmic scales.
package main

import (
	"encoding/json"
	"fmt"
	"os"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: plot growth.json growth.svg")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "plot:", err)
		os.Exit(1)
	}
}

// study is what `bench growth` writes.
type study struct {
	Names []string
	Sizes []struct {
		Jobs    float64
		Figures map[string]float64
	}
}

func run(from, to string) error {
	b, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	var s study
	if err := json.Unmarshal(b, &s); err != nil {
		return fmt.Errorf("%s: %w", from, err)
	}
	const columns = 3
	rows := (len(s.Names) + columns - 1) / columns
	grid := make([][]*plot.Plot, rows)
	for i := range grid {
		grid[i] = make([]*plot.Plot, columns)
		for j := range grid[i] {
			if n := i*columns + j; n < len(s.Names) {
				if grid[i][j], err = s.panel(s.Names[n]); err != nil {
					return err
				}
			}
		}
	}
	canvas := vgsvg.New(columns*6.5*vg.Centimeter, vg.Length(rows)*4.5*vg.Centimeter)
	tiles := draw.Tiles{Rows: rows, Cols: columns, PadX: vg.Millimeter * 4, PadY: vg.Millimeter * 4}
	for i, row := range plot.Align(grid, tiles, draw.New(canvas)) {
		for j, c := range row {
			if grid[i][j] != nil {
				grid[i][j].Draw(c)
			}
		}
	}
	f, err := os.Create(to)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = canvas.WriteTo(f)
	return err
}

// panel draws one figure. The axis begins at a tenth of the largest value or lower, so that a flat line looks flat.
func (s study) panel(name string) (*plot.Plot, error) {
	p := plot.New()
	p.Title.Text, p.Title.TextStyle.Font.Size = name, font.Points(7)
	p.X.Scale, p.X.Tick.Marker = plot.LogScale{}, plot.LogTicks{Prec: 0}
	p.Y.Scale, p.Y.Tick.Marker = plot.LogScale{}, plot.LogTicks{Prec: -1}
	var points plotter.XYs
	top := 0.0
	for _, size := range s.Sizes {
		if v := size.Figures[name]; v > 0 {
			points = append(points, plotter.XY{X: size.Jobs, Y: v})
			top = max(top, v)
		}
	}
	if len(points) == 0 {
		return p, nil
	}
	line, dots, err := plotter.NewLinePoints(points)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	p.Add(plotter.NewGrid(), line, dots)
	p.Y.Min, p.Y.Max = min(p.Y.Min, top/10), top*2
	return p, nil
}
