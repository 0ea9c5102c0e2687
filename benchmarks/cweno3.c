/* Reference for speed: the finite-volume method of one problem as a plain C loop that the compiler vectorises.
 * u_t + (v u)_x = 0 on `cells` cells between two zero-flux walls; CWENO3 with C0 = 1/2, eps = dx^2, p = 2,
 * local Lax-Friedrichs (= upwind, since the flux is linear in u), SSPRK3, constant dt, v given at the cells+1 faces,
 * no clipping.
 * Build: cc -O3 -march=native -ffast-math -mprefer-vector-width=512 -shared -fPIC cweno3.c -o cweno3.so
 * Call:  solve(u, v, cells, dx, dt, steps) overwrites u with the averages after `steps` steps. One thread. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

static void rate(const double *restrict u, const double *restrict v, double *restrict left, double *restrict right,
                 double *restrict flux, double *restrict out, int cells, double dx) {
    const double eps = dx * dx, inv = 1 / dx;
    for (int i = 0; i < cells + 2; i++) {
        double dl = u[i + 1] - u[i], dr = u[i + 2] - u[i + 1], c1 = 0.5 * (dl + dr), c2 = dr - dl;
        double el = eps + dl * dl, er = eps + dr * dr, e0 = eps + 13. / 3. * c2 * c2 + c1 * c1;
        el *= el; er *= er; e0 *= e0;
        double al = 0.25 * er * e0, ar = 0.25 * el * e0, a0 = 0.5 * el * er, s = 1 / (al + ar + a0);
        double half = 0.5 * (al * dl + ar * dr + a0 * c1) * s, curve = a0 * c2 * s / 6;
        right[i] = u[i + 1] + half + curve;
        left[i] = u[i + 1] - half + curve;
    }
    for (int i = 0; i <= cells; i++)
        flux[i] = 0.5 * (v[i] * (right[i] + left[i + 1]) - fabs(v[i]) * (left[i + 1] - right[i]));
    flux[0] = flux[cells] = 0;
    for (int i = 0; i < cells; i++) out[i] = -(flux[i + 1] - flux[i]) * inv;
}

static void ghosts(double *u, int cells) { u[0] = u[1] = u[2]; u[cells + 2] = u[cells + 3] = u[cells + 1]; }

void solve(double *values, const double *v, int cells, double dx, double dt, int steps) {
    size_t n = (size_t)cells + 4;
    double *u = calloc(6 * n, sizeof *u), *w = u + n, *left = w + n, *right = left + n, *flux = right + n, *r = flux + n;
    memcpy(u + 2, values, cells * sizeof *u);
    for (int k = 0; k < steps; k++) {
        ghosts(u, cells); rate(u, v, left, right, flux, r, cells, dx);
        for (int i = 0; i < cells; i++) w[i + 2] = u[i + 2] + dt * r[i];
        ghosts(w, cells); rate(w, v, left, right, flux, r, cells, dx);
        for (int i = 0; i < cells; i++) w[i + 2] = 0.75 * u[i + 2] + 0.25 * (w[i + 2] + dt * r[i]);
        ghosts(w, cells); rate(w, v, left, right, flux, r, cells, dx);
        for (int i = 0; i < cells; i++) u[i + 2] = u[i + 2] / 3 + 2. / 3. * (w[i + 2] + dt * r[i]);
    }
    memcpy(values, u + 2, cells * sizeof *u);
    free(u);
}
