package moving

import (
	"fmt"
	"strings"
	"time"
)

// schema is nbgrader's gradebook as its version 0.9 makes it.
const schema = `
create table alembic_version (version_num varchar(32) not null, constraint alembic_version_pkc primary key (version_num));
insert into alembic_version values ('e43177bfe90b');
create table course (id varchar(128) not null, primary key (id), unique (id));
create table assignment (id varchar(32) not null, name varchar(128) not null, duedate datetime, course_id varchar(128),
	primary key (id), unique (name), foreign key(course_id) references course (id));
create table notebook (id varchar(32) not null, name varchar(128) not null, assignment_id varchar(32), kernelspec varchar(1024),
	primary key (id), unique (name, assignment_id), foreign key(assignment_id) references assignment (id));
create table base_cell (id varchar(32) not null, name varchar(128) not null, notebook_id varchar(32), type varchar(50),
	primary key (id), unique (name, notebook_id, type), foreign key(notebook_id) references notebook (id));
create table grade_cells (id varchar(32) not null, max_score float not null, cell_type varchar(8) not null,
	primary key (id), foreign key(id) references base_cell (id));
create table solution_cells (id varchar(32) not null, primary key (id), foreign key(id) references base_cell (id));
create table task_cells (id varchar(32) not null, max_score float not null, cell_type varchar(8) not null,
	primary key (id), foreign key(id) references base_cell (id));
create table source_cell (id varchar(32) not null, name varchar(128) not null, cell_type varchar(8) not null, source text,
	checksum varchar(128), locked boolean not null, notebook_id varchar(32),
	primary key (id), unique (name, notebook_id), foreign key(notebook_id) references notebook (id));
create table student (id varchar(128) not null, first_name varchar(128), last_name varchar(128), email varchar(128),
	lms_user_id varchar(128), primary key (id), unique (id));
create table submitted_assignment (id varchar(32) not null, assignment_id varchar(32), student_id varchar(128), timestamp datetime,
	extension datetime, primary key (id), unique (assignment_id, student_id),
	foreign key(assignment_id) references assignment (id), foreign key(student_id) references student (id));
create table submitted_notebook (id varchar(32) not null, assignment_id varchar(32), notebook_id varchar(32), flagged boolean,
	late_submission_penalty float, primary key (id), unique (notebook_id, assignment_id),
	foreign key(assignment_id) references submitted_assignment (id), foreign key(notebook_id) references notebook (id));
create table grade (id varchar(32) not null, cell_id varchar(32), notebook_id varchar(32), auto_score float, manual_score float,
	extra_credit float, needs_manual_grade boolean, primary key (id), unique (cell_id, notebook_id),
	foreign key(cell_id) references base_cell (id), foreign key(notebook_id) references submitted_notebook (id));
create table comment (id varchar(32) not null, cell_id varchar(32), notebook_id varchar(32), auto_comment text, manual_comment text,
	primary key (id), unique (cell_id, notebook_id), foreign key(cell_id) references base_cell (id),
	foreign key(notebook_id) references submitted_notebook (id));`

// dateForm is how the gradebook writes times: naive, and meant as UTC.
const dateForm = "2006-01-02 15:04:05.000000"

func dateText(t *time.Time) any {
	if t == nil {
		return nil
	}
	return t.UTC().Format(dateForm)
}

// readDate reads such a time; nil for none.
func readDate(s string) (*time.Time, error) {
	s = strings.TrimSpace(strings.Replace(s, "T", " ", 1))
	if s == "" {
		return nil, nil
	}
	for _, form := range []string{"2006-01-02 15:04:05.999999", "2006-01-02 15:04", "2006-01-02"} {
		if t, err := time.Parse(form, s); err == nil {
			if t.Year() < 1980 || t.Year() > 2200 {
				return nil, fmt.Errorf("the year %d", t.Year())
			}
			return &t, nil
		}
	}
	return nil, fmt.Errorf("%.40q is not a time", s)
}

// An extension is a span, written as a time after the first instant of 1970.
func extensionText(d time.Duration) any {
	if d == 0 {
		return nil
	}
	return time.Unix(0, 0).UTC().Add(d).Format(dateForm)
}

func readExtension(s string) (time.Duration, error) {
	if strings.TrimSpace(s) == "" {
		return 0, nil
	}
	t, err := time.Parse("2006-01-02 15:04:05.999999", strings.TrimSpace(s))
	d := t.Sub(time.Unix(0, 0))
	if err == nil && (d < -10*365*24*time.Hour || d > 10*365*24*time.Hour) {
		err = fmt.Errorf("an extension of %s", d)
	}
	return d, err
}

// readStamp reads timestamp.txt: a time and, perhaps, a zone by name or by offset
// in hours.
func readStamp(text string) (time.Time, error) {
	text = strings.TrimSpace(text)
	at, zone := text, ""
	if parts := strings.Fields(text); len(parts) == 3 {
		at, zone = parts[0]+" "+parts[1], parts[2]
	} else if t, err := time.Parse(time.RFC3339Nano, text); err == nil {
		return t.UTC(), nil
	}
	loc := time.UTC
	if zone != "" && zone != "UTC" && zone != "GMT" && zone != "Z" {
		if t, err := time.Parse("2006-01-02 15:04:05.999999 -0700", at+" "+zone); err == nil {
			return t.UTC(), nil
		}
		var err error
		// "Local" and paths are no zones of a course.
		if loc, err = time.LoadLocation(zone); err != nil || zone == "Local" {
			return time.Time{}, fmt.Errorf("the zone %.40q is not known", zone)
		}
	}
	t, err := time.ParseInLocation("2006-01-02 15:04:05.999999", at, loc)
	return t.UTC(), err
}
